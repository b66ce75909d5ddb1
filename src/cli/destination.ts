import { statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { dataDirectory } from '../config/data-dir.ts';
import { systemFiles } from '../config/files.ts';
import type { Destination } from './client.ts';
import { CommandFailure, usage } from './failure.ts';

export interface Named {
  readonly config: string | undefined;
  readonly gateway: string | undefined;
  readonly ca: string | undefined;
}

/** Options before environment; a configuration before a gateway's address. */
export function destinationOf(named: Named, env: NodeJS.ProcessEnv, absolute: (path: string) => string): Destination {
  if (named.config !== undefined && named.gateway !== undefined) {
    throw usage('--config and --gateway name two gateways', '--config speaks as the operator, --gateway as yourself');
  }
  const config = named.config ?? (named.gateway === undefined ? env.SALLYPORT_CONFIG : undefined);
  if (config !== undefined && config !== '') {
    return { kind: 'operator', socket: join(dataDirectory(absolute(config), systemFiles), 'admin.sock') };
  }
  const address = named.gateway ?? env.SALLYPORT_GATEWAY;
  if (address === undefined || address === '') {
    throw usage('which gateway?', '--config FILE on its machine, else --gateway URL or SALLYPORT_GATEWAY');
  }
  if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol)) {
    throw usage(`${JSON.stringify(address)} is not the URL of a gateway`, 'https://gw.example.com:8443');
  }
  const url = new URL(address);
  // An empty variable is how shells pass on what was not there.
  const given = env.SALLYPORT_TOKEN?.trim() === '' ? undefined : env.SALLYPORT_TOKEN?.trim();
  const kept = given === undefined ? keptCredential(url, env) : null;
  const ca = named.ca ?? (env.SALLYPORT_CA === '' ? undefined : env.SALLYPORT_CA) ?? kept?.ca;
  return {
    kind: 'network',
    url,
    token: given ?? kept?.token ?? null,
    ca: ca === undefined ? null : absolute(ca),
  };
}

/** What a login left for this gateway. A file that others can read is not used: its tokens may be known by now. */
function keptCredential(
  url: URL,
  env: NodeJS.ProcessEnv,
): { readonly token: string; readonly ca?: string | undefined } | null {
  const home = env.XDG_CONFIG_HOME ?? (env.HOME === undefined ? undefined : join(env.HOME, '.config'));
  if (home === undefined) return null;
  const path = join(home, 'sallyport', 'credentials.json');
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return null;
  if ((found.mode & 0o077) !== 0) {
    throw new CommandFailure('IDENTITY_REFUSED', `others can read ${path}`, `chmod 600 ${path}, and get new tokens`);
  }
  const credentials = credentialFile.safeParse(jsonOf(systemFiles.read(path)));
  if (!credentials.success) throw new CommandFailure('IDENTITY_REFUSED', `${path} is not understood`);
  return credentials.data[url.origin] ?? null;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** By the gateway's origin: `https://gw.example.com:8443`. */
const credentialFile = z.record(z.string(), z.object({ token: z.string().min(1), ca: z.string().optional() }));
