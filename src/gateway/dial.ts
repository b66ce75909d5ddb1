import net from 'node:net';
import { GatewayError } from '../core/errors.ts';

/** Where a target listens. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/**
 * How a target is reached. A connector that dials out from another network is one more implementation.
 * A connected stream, or GatewayError TARGET_UNREACHABLE within `timeout_ms`.
 */
export type Dial = (address: Address, timeout_ms: number) => Promise<net.Socket>;

export const dialDirect: Dial = (address, timeout_ms) =>
  new Promise((resolve, reject) => {
    const socket =
      address.kind === 'tcp'
        ? net.connect({ host: address.host, port: address.port, noDelay: true })
        : net.connect({ path: address.path });
    const timer = setTimeout(() => fail(`no answer within ${timeout_ms} ms`), timeout_ms);
    const fail = (why: string) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new GatewayError('TARGET_UNREACHABLE', `cannot connect to the target: ${why}`));
    };
    socket.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
