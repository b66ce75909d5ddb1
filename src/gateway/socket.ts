import net from 'node:net';
import tls from 'node:tls';

/** What a socket tells the connection. Bytes belong to the socket again when `bytes` returns, unless it was told to `retain` them. */
export interface SocketEvents {
  bytes(bytes: Buffer): void;
  /** Once, whoever closed it. */
  closed(): void;
  /** What was written has left; more may be written. */
  drained(): void;
}

/**
 * A TCP or TLS socket as the data path wants it. A plain socket is read into one preallocated buffer (`onread`), which
 * saves an allocation and half of Node's stream machinery for each read; a TLS socket is read by `data` events.
 */
export class WireSocket {
  readonly remoteAddress: string;
  #socket: net.Socket | tls.TLSSocket;
  #events: SocketEvents;
  #paused = false;
  #closed = false;
  #accelerated = false;
  #retained = true;
  /** What is read into, and what was read into and may still be referred to. */
  #buffer: Buffer | null = null;
  #lent: Buffer[] = [];
  #spare: Buffer[] = [];

  constructor(socket: net.Socket, events: SocketEvents) {
    this.#socket = socket;
    this.#events = events;
    this.remoteAddress = socket.remoteAddress ?? 'unix';
    socket.setNoDelay(true);
    this.#listen(true);
  }

  /** The events go somewhere else from now on. */
  attach(events: SocketEvents): void {
    this.#events = events;
  }

  get fromLoopback(): boolean {
    return /^(unix$|::1$|(::ffff:)?127\.)/.test(this.remoteAddress);
  }

  get unwrittenBytes(): number {
    return this.#socket.writableLength;
  }

  /** False when the peer is slower than we are: wait for `drained`. */
  write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    const [only] = chunks;
    if (only !== undefined && chunks.length === 1) return socket.write(only);
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.length;
    // One short write(2) is cheaper than the bookkeeping of a writev(2).
    if (bytes <= JOINED_BYTES_MAX) return socket.write(Buffer.concat(chunks, bytes));
    socket.cork();
    for (const chunk of chunks) socket.write(chunk);
    socket.uncork();
    return socket.writableLength < socket.writableHighWaterMark;
  }

  /** The bytes given last are still referred to: read the next into another buffer. */
  retain(): void {
    this.#retained = true;
  }

  /** Nothing that was given refers to its buffer any more: they may be read into again. */
  release(): void {
    if (this.#lent.length === 0) return;
    this.#spare = this.#lent.slice(0, SPARE_BUFFERS_MAX);
    this.#lent = [];
  }

  pause(): void {
    if (this.#paused || this.#closed) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused || this.#closed) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** After what was written has left. */
  end(): void {
    if (!this.#closed) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /**
   * Goes on in TLS. `initial` are bytes of the handshake that were read already.
   * Resolves with the TLS socket once the handshake is done.
   */
  async startTls(
    options: tls.TLSSocketOptions | tls.ConnectionOptions,
    side: 'server' | 'client',
    initial: Buffer | null,
  ): Promise<tls.TLSSocket> {
    const plain = this.#socket;
    plain.removeAllListeners('data');
    plain.removeAllListeners('end');
    plain.removeAllListeners('close');
    plain.removeAllListeners('drain');
    plain.pause();
    if (initial !== null && initial.length > 0) plain.unshift(initial);
    const secure =
      side === 'server'
        ? new tls.TLSSocket(plain, { ...options, isServer: true })
        : tls.connect({ ...options, socket: plain });
    this.#socket = secure;
    await new Promise<void>((resolve, reject) => {
      secure.once(side === 'server' ? 'secure' : 'secureConnect', resolve);
      secure.once('error', reject);
      secure.once('close', () => reject(new Error('closed during the TLS handshake')));
    });
    secure.removeAllListeners('close');
    this.#listen(false);
    if (this.#paused) secure.pause();
    return secure;
  }

  /**
   * Switches a plain socket to the preallocated buffer, if it is idle at this moment. True when there is nothing left to
   * try: it is done, or cannot be done.
   */
  accelerate(): boolean {
    const old = this.#socket;
    if (!ONREAD_WORKS || this.#closed || this.#accelerated || old instanceof tls.TLSSocket) return true;
    if (old.readableLength > 0 || old.writableLength > 0) return false;
    // `_handle` is not documented: `probe` below has tried all of this on this very Node, else we are not here.
    const holder = old as unknown as { _handle: { readStop(): void; reading: boolean } | null };
    const handle = holder._handle;
    if (handle === null) return true;
    this.#accelerated = true;
    handle.readStop();
    handle.reading = false;
    old.removeAllListeners();
    holder._handle = null;
    this.#socket = new net.Socket({
      handle,
      allowHalfOpen: false,
      onread: {
        // Node keeps the buffer it has when this returns no buffer; its type does not say so.
        buffer: (() => {
          if (!this.#retained) return false;
          this.#retained = false;
          if (this.#buffer !== null) this.#lent.push(this.#buffer);
          this.#buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
          return this.#buffer;
        }) as unknown as () => Uint8Array,
        callback: (count: number, buffer: Uint8Array) => {
          this.#events.bytes(buffer.subarray(0, count) as Buffer);
          return !this.#paused;
        },
      },
    } as unknown as net.SocketConstructorOpts);
    this.#socket.setNoDelay(true);
    this.#listen(false);
    if (!this.#paused) this.#socket.resume();
    return true;
  }

  #listen(withData: boolean): void {
    const socket = this.#socket;
    if (withData || socket instanceof tls.TLSSocket) socket.on('data', (bytes: Buffer) => this.#events.bytes(bytes));
    socket.on('drain', () => this.#events.drained());
    socket.on('end', () => this.#close());
    socket.on('error', () => this.#close());
    socket.on('close', () => this.#close());
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events.closed();
  }
}

/** Whether a handle can be moved into a socket with a buffer of its own on this Node; measured once, never assumed. */
export async function probeOnread(): Promise<boolean> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as net.AddressInfo;
    const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
    const client = net.connect(port, '127.0.0.1');
    const echoed = new Promise<boolean>((resolve) => {
      client.on('data', (bytes) => resolve(bytes.toString() === 'probe'));
      client.on('error', () => resolve(false));
      setTimeout(() => resolve(false), PROBE_MS).unref();
    });
    ONREAD_WORKS = true;
    const wire = new WireSocket(await accepted, {
      bytes: (bytes) => wire.write([Buffer.from(bytes)]),
      closed: () => {},
      drained: () => {},
    });
    wire.accelerate();
    client.write('probe');
    ONREAD_WORKS = await echoed;
    client.destroy();
    wire.destroy();
  } catch {
    ONREAD_WORKS = false;
  } finally {
    server.close();
  }
  return ONREAD_WORKS;
}

let ONREAD_WORKS = false;
/** A slow peer has a few buffers in flight; more of them would only be memory. */
const SPARE_BUFFERS_MAX = 4;
const JOINED_BYTES_MAX = 16 * 1024;
const READ_BUFFER_BYTES = 64 * 1024;
const PROBE_MS = 1_000;
