import { readFile } from 'node:fs/promises';
import type { Config } from '../config/config.ts';
import { ownIdentity, type ServerIdentity, serverNames } from '../gateway/certificates.ts';

/** What the gateway shows of itself; `null` with `tls: off`. */
export async function identityTls(config: Config, now: number): Promise<ServerIdentity | null> {
  const { tls, dataDir, publicUrl } = config.gateway;
  switch (tls.kind) {
    case 'off':
      return null;
    case 'files':
      return { certificate: await readFile(tls.cert, 'utf8'), key: await readFile(tls.key, 'utf8') };
    case 'auto':
      return ownIdentity(dataDir, serverNames(publicUrl), now);
  }
}
