import type net from 'node:net';
import { RawClient } from '../servers/raw-client.ts';
import { cpuMicros } from './cpu.ts';
import type { Peer } from './peers.ts';

export interface Bulk {
  readonly megabytesPerSecond: number;
  readonly rowsPerSecond: number;
  readonly cpu_ms_per_100mb: number;
}

/** Reads one big result and throws it away as it comes, so that the client costs as little as it can. */
export async function bulk(peer: Peer, sql: string, rows: number): Promise<Bulk> {
  const { socket } = await RawClient.login(peer);
  socket.removeAllListeners('data');
  const before = peer.pid === null ? 0 : cpuMicros(peer.pid);
  const started = performance.now();
  const bytes = await query(socket, sql);
  const seconds = (performance.now() - started) / 1_000;
  const cpu_ms = ((peer.pid === null ? 0 : cpuMicros(peer.pid)) - before) / 1_000;
  socket.destroy();
  return {
    megabytesPerSecond: bytes / 1e6 / seconds,
    rowsPerSecond: rows / seconds,
    cpu_ms_per_100mb: cpu_ms / (bytes / 1e8),
  };
}

/** The answer ends with ReadyForQuery in status I: `Z 00000005 I`, the last six bytes of what the server sends. */
function query(socket: net.Socket, sql: string): Promise<number> {
  const text = Buffer.from(`${sql}\0`);
  const head = Buffer.alloc(5);
  head.write('Q');
  head.writeInt32BE(text.length + 4, 1);
  return new Promise((resolve, reject) => {
    let total = 0;
    let tail: Buffer = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed in the middle of a result')));
    socket.on('data', (bytes: Buffer) => {
      total += bytes.length;
      tail =
        bytes.length >= READY.length
          ? bytes.subarray(-READY.length)
          : Buffer.concat([tail, bytes]).subarray(-READY.length);
      if (tail.equals(READY)) resolve(total);
    });
    socket.write(Buffer.concat([head, text]));
  });
}

const READY = Buffer.from('5a0000000549', 'hex');
