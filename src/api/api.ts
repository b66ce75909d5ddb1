import { chmod, mkdtemp, rename, rm } from 'node:fs/promises';
import { Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import type { SecureContextOptions } from 'node:tls';
import { GatewayError } from '../core/errors.ts';
import type { ApiRooms } from './ports.ts';
import { type ApiOptions, createDoor } from './server.ts';

/** Where to listen: an address of the network, or the operator's socket. */
export type ApiAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

export interface Api {
  /** Callers of a unix address are the operator; of a tcp address whoever their token says. Gives the address in use. */
  listen(address: ApiAddress, tls?: SecureContextOptions): Promise<string>;
  /** Whoever connects from now on is shown this certificate. */
  renew(tls: SecureContextOptions): void;
  /** Ends the tails with their last event, lets answers finish, closes. */
  close(): Promise<void>;
}

export function createApi(rooms: ApiRooms, options: ApiOptions): Api {
  const closing: (() => Promise<void>)[] = [];
  const renewing: ((tls: SecureContextOptions) => void)[] = [];
  return {
    async listen(address, tls) {
      const door =
        address.kind === 'unix'
          ? ({ kind: 'operator' } as const)
          : ({ kind: 'network', tls: tls !== undefined } as const);
      const { app, endTails } = await createDoor(rooms, options, door, tls ?? null);
      const { server } = app;
      if (server instanceof HttpsServer) renewing.push((renewed) => server.setSecureContext(renewed));
      closing.push(async () => {
        endTails('the gateway stops');
        await app.close();
      });
      if (address.kind === 'unix') {
        await listenPrivately(address.path, (path) => app.listen({ path }));
        closing.push(() => rm(address.path, { force: true }));
        return address.path;
      }
      await app.listen({ host: address.host, port: address.port });
      // A TCP server that listens has an address with a port.
      const { port } = app.server.address() as AddressInfo;
      return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`;
    },
    renew(tls) {
      for (const renew of renewing) renew(tls);
    },
    async close() {
      for (const close of closing.splice(0)) await close();
    },
  };
}

/**
 * A socket that is 0600 from its first moment: bound in a directory only we can enter, then moved to its place. That also
 * takes the place of one that a killed gateway left behind.
 */
async function listenPrivately(path: string, listen: (path: string) => Promise<unknown>): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    throw new GatewayError(
      'CONFIG_INVALID',
      `the path of the admin socket is longer than ${SOCKET_PATH_BYTES_MAX} bytes: ${path}`,
    );
  }
  const room = await mkdtemp(join(dirname(path), '.s-'));
  try {
    const inside = join(room, 's');
    await listen(inside);
    await chmod(inside, 0o600);
    await rename(inside, path);
  } finally {
    await rm(room, { recursive: true, force: true });
  }
}

/** sun_path is 104 bytes on macOS and 108 on Linux, its end included; ours is moved from a name a little longer. */
const SOCKET_PATH_BYTES_MAX = 96;
