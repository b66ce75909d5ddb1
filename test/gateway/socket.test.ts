import { mkdtempSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { beforeAll, describe, expect, test } from 'vitest';
import { ownIdentity } from '../../src/gateway/certificates.ts';
import { probeOnread, WireSocket } from '../../src/gateway/socket.ts';

async function pair(): Promise<{ client: net.Socket; accepted: net.Socket; close: () => void }> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const waiting = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
  const client = net.connect(port, '127.0.0.1');
  const accepted = await waiting;
  return {
    client,
    accepted,
    close: () => {
      client.destroy();
      accepted.destroy();
      server.close();
    },
  };
}

function collect(stream: net.Socket, length: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let have = 0;
    stream.on('data', (bytes: Buffer) => {
      parts.push(bytes);
      have += bytes.length;
      if (have >= length) resolve(Buffer.concat(parts));
    });
  });
}

describe.each([['before'], ['after']])('a socket %s it was accelerated', (when) => {
  beforeAll(async () => {
    expect(await probeOnread()).toBe(true);
  });

  async function echo() {
    const both = await pair();
    const wire: WireSocket = new WireSocket(both.accepted, {
      bytes: (bytes) => {
        // As the connection does: write what was read, and keep it from being read over while it is not out.
        wire.write([bytes.subarray(0, 1), bytes.subarray(1)]);
        if (wire.unwrittenBytes > 0) {
          wire.retain();
          wire.pause();
        }
      },
      closed: () => {},
      drained: () => wire.resume(),
    });
    if (when === 'after') wire.accelerate();
    return { ...both, wire };
  }

  test('gives and takes bytes', async () => {
    const { client, close } = await echo();
    client.write('hello');
    expect((await collect(client, 5)).toString()).toBe('hello');
    close();
  });

  test('loses and changes nothing of 32 MiB under back-pressure', async () => {
    const { client, close } = await echo();
    const sent = Buffer.alloc(32 * 1024 * 1024);
    for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
    const received = collect(client, sent.length);
    client.write(sent);
    expect((await received).equals(sent)).toBe(true);
    close();
  });

  test('says once that it is closed', async () => {
    const both = await pair();
    let closed = 0;
    const wire = new WireSocket(both.accepted, { bytes: () => {}, closed: () => (closed += 1), drained: () => {} });
    if (when === 'after') wire.accelerate();
    both.client.end();
    await new Promise((resolve) => setTimeout(resolve, 50));
    wire.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(closed).toBe(1);
    both.close();
  });

  test('is not read while it is paused', async () => {
    const both = await pair();
    const seen: string[] = [];
    const wire = new WireSocket(both.accepted, {
      bytes: (bytes) => seen.push(bytes.toString()),
      closed: () => {},
      drained: () => {},
    });
    if (when === 'after') wire.accelerate();
    wire.pause();
    both.client.write('later');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(seen).toEqual([]);
    wire.resume();
    await expect.poll(() => seen).toEqual(['later']);
    both.close();
  });
});

describe('TLS', () => {
  test('begins in the middle of a connection, with handshake bytes that were read already', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-tls-'));
    const identity = await ownIdentity(directory, ['localhost', '127.0.0.1'], Date.now());
    const context = tls.createSecureContext({ cert: identity.certificate, key: identity.key });
    const { client, accepted, close } = await pair();
    const ready = Promise.withResolvers<void>();
    const wire: WireSocket = new WireSocket(accepted, {
      bytes: (first) => {
        wire.attach({ bytes: (bytes) => wire.write([Buffer.from(bytes)]), closed: () => {}, drained: () => {} });
        void wire
          .startTls({ secureContext: context, ALPNProtocols: ['postgresql'] }, 'server', Buffer.from(first))
          .then(() => ready.resolve());
      },
      closed: () => {},
      drained: () => {},
    });
    const { readFileSync } = await import('node:fs');
    const secure = tls.connect({
      socket: client,
      ca: readFileSync(join(directory, 'ca.pem')),
      servername: 'localhost',
      ALPNProtocols: ['postgresql'],
    });
    await new Promise((resolve) => secure.once('secureConnect', resolve));
    await ready.promise;
    expect(secure.authorized).toBe(true);
    expect(secure.alpnProtocol).toBe('postgresql');
    secure.write('inside');
    expect((await collect(secure, 6)).toString()).toBe('inside');
    secure.destroy();
    close();
  });
});
