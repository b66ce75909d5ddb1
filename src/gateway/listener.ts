import net from 'node:net';
import { GatewayError } from '../core/errors.ts';
import { Connection } from './connection.ts';
import type { GatewayPorts, Listener } from './ports.ts';

/** A port that is open, and its connections. */
export interface OpenListener {
  /** `127.0.0.1:5433`, the port the system chose where 0 was asked for. */
  readonly address: string;
  /** No more connections; those that are there go on. */
  stopAccepting(): void;
  drain(): void;
}

/** Opens a port. Each connection is a task of its own with a deadline; too many are turned away at the door. */
export async function listen(
  ports: GatewayPorts,
  listener: Listener,
  host: string,
  port: number,
): Promise<OpenListener> {
  const { limits, log, count } = ports;
  const connections = new Set<Connection>();
  const perAddress = new Map<string, number>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    const address = socket.remoteAddress ?? 'unix';
    const known = perAddress.get(address) ?? 0;
    if (connections.size >= limits.connections_max || known >= limits.connections_per_address_max) {
      count.refusedBytes('CLIENT_TOO_MANY');
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    perAddress.set(address, known + 1);
    const connection = new Connection(ports, listener, socket, () => {
      connections.delete(connection);
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left <= 0) perAddress.delete(address);
      else perAddress.set(address, left);
    });
    connections.add(connection);
  });
  server.on('error', (error) => log.error({ err: error }, 'a listener failed'));
  await new Promise<void>((resolve, reject) => {
    const refused = (error: NodeJS.ErrnoException) =>
      reject(new GatewayError('CONFIG_INVALID', `cannot listen on ${host}:${port}: ${error.code ?? error.message}`));
    server.once('error', refused);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.removeListener('error', refused);
      resolve();
    });
  });
  const bound = server.address() as net.AddressInfo;
  return {
    address: bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`,
    stopAccepting: () => void server.close(),
    drain: () => {
      for (const connection of connections) connection.drain();
    },
  };
}

const BACKLOG = 2_048;
