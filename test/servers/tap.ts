import net from 'node:net';
import { LIMITS } from '../../src/core/limits.ts';
import { decodeFrontend } from '../../src/protocols/postgres/codec-frontend.ts';
import { FrameReader, frameBody, frontendLimits, StartupReader } from '../../src/protocols/postgres/frames.ts';
import type { FrontendMessage } from '../../src/protocols/postgres/messages.ts';
import { freePort } from './postgres.ts';

/** Stands between the gateway and a target and keeps every byte the target was sent: what it has seen, and nothing else. */
export interface Tap {
  readonly port: number;
  /** All bytes sent to the target since `reset`, over all connections. */
  sent(): Buffer;
  /** The same as messages, startup packets left out. */
  messages(): readonly FrontendMessage[];
  /** Connections opened since `reset`. */
  connections(): number;
  reset(): void;
  stop(): Promise<void>;
}

export async function startTap(targetPort: number): Promise<Tap> {
  const port = await freePort();
  let streams: { readonly chunks: Buffer[]; readonly from: number }[] = [];
  const all: Buffer[][] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const upstream = net.connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    const chunks: Buffer[] = [];
    all.push(chunks);
    streams.push({ chunks, from: 0 });
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (bytes: Buffer) => {
      chunks.push(Buffer.from(bytes));
      upstream.write(bytes);
    });
    upstream.on('data', (bytes: Buffer) => client.write(bytes));
    client.on('end', () => upstream.end());
    upstream.on('end', () => client.end());
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    sent: () => Buffer.concat(streams.flatMap(({ chunks, from }) => [Buffer.concat(chunks).subarray(from)])),
    messages: () => streams.flatMap(({ chunks, from }) => decode(Buffer.concat(chunks), from)),
    connections: () => streams.filter(({ from }) => from === 0).length,
    reset: () => {
      streams = all.map((chunks) => ({ chunks, from: chunks.reduce((sum, chunk) => sum + chunk.length, 0) }));
    },
    stop: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** The messages of one connection that begin at or after `from`. */
function decode(bytes: Buffer, from: number): readonly FrontendMessage[] {
  const first = new StartupReader(LIMITS.startup_bytes_max).read(bytes);
  if (first === null) return [];
  const offset = bytes.length - first.rest.length;
  const messages: FrontendMessage[] = [];
  let at = offset;
  for (const frame of new FrameReader(frontendLimits(LIMITS)).read(first.rest)) {
    if (at >= from) messages.push(decodeFrontend(frame.tag, Buffer.from(frameBody(frame)), LIMITS));
    at += frame.end - frame.start;
  }
  return messages;
}
