import net from 'node:net';
import { LIMITS } from '../../src/core/limits.ts';
import { backendLimits, FrameReader, frameBody, frameBytes } from '../../src/protocols/postgres/frames.ts';

/** A message of the real server: what is said instead. `null`: nothing, and the connection is closed. */
export type Tamper = (message: {
  readonly tag: string;
  readonly body: Buffer;
  readonly bytes: Buffer;
}) => Buffer | null;

/** The attacker: a server that is a real PostgreSQL until it chooses not to be. The gateway's catalogue is left alone. */
export interface MaliciousTarget {
  readonly port: number;
  /** What the gateway has sent on session connections since `play`. */
  sent(): Buffer;
  /** From the next session on. */
  play(tamper: Tamper): void;
  stop(): Promise<void>;
}

/** `realPort` is asked when a connection comes: the server may be started later. */
export async function startMaliciousTarget(realPort: () => number): Promise<MaliciousTarget> {
  let tamper: Tamper = ({ bytes }) => bytes;
  let sent: Buffer[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer((gateway) => {
    const real = net.connect(realPort(), '127.0.0.1');
    const reader = new FrameReader(backendLimits(LIMITS));
    const kept = sent;
    const lie = tamper;
    let session: boolean | null = null;
    for (const socket of [gateway, real]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        gateway.destroy();
        real.destroy();
      });
    }
    gateway.on('data', (bytes: Buffer) => {
      session ??= bytes.includes('sallyport ses_');
      if (session) kept.push(Buffer.from(bytes));
      real.write(bytes);
    });
    real.on('data', (bytes: Buffer) => {
      if (session !== true) {
        gateway.write(bytes);
        return;
      }
      for (const frame of reader.read(Buffer.from(bytes))) {
        const tag = String.fromCharCode(frame.tag);
        const said = lie({ tag, body: Buffer.from(frameBody(frame)), bytes: Buffer.from(frameBytes(frame)) });
        if (said === null) {
          gateway.end();
          return;
        }
        gateway.write(said);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  return {
    port,
    sent: () => Buffer.concat(sent),
    play: (next) => {
      tamper = next;
      sent = [];
    },
    stop: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
