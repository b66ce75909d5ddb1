import { pbkdf2Sync, randomBytes } from 'node:crypto';
import net from 'node:net';
import { LIMITS } from '../../src/core/limits.ts';
import { encodePassword, encodeSaslInitial } from '../../src/protocols/postgres/codec-authentication.ts';
import { decodeBackend } from '../../src/protocols/postgres/codec-backend.ts';
import { encodeFrontend } from '../../src/protocols/postgres/codec-frontend.ts';
import { backendLimits, FrameReader, frameBody } from '../../src/protocols/postgres/frames.ts';
import type { BackendMessage, FrontendMessage } from '../../src/protocols/postgres/messages.ts';
import { clientChallenge, clientFinal, clientFirst, verifyServerFinal } from '../../src/protocols/postgres/scram.ts';
import { encodeStartup } from '../../src/protocols/postgres/startup.ts';

export interface Login {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly parameters?: Readonly<Record<string, string>>;
  /** Protocol minor version; 2 is 3.2. */
  readonly minor?: number;
}

/** A PostgreSQL client that sends exactly what it is told, and keeps every byte it was sent. */
export class RawClient {
  readonly socket: net.Socket;
  readonly received: Buffer[] = [];
  readonly #reader = new FrameReader(backendLimits(LIMITS));
  readonly #messages: BackendMessage[] = [];
  #wake: () => void = () => {};
  #closed = false;
  #broken: unknown = null;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      this.received.push(Buffer.from(bytes));
      try {
        for (const frame of this.#reader.read(Buffer.from(bytes))) {
          this.#messages.push(decodeBackend(frame.tag, Buffer.from(frameBody(frame))));
        }
      } catch (error) {
        this.#broken = error;
      }
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = net.connect(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  /** Connects and logs in by whatever the server asks for; throws what the server refused it with. */
  static async login(login: Login): Promise<RawClient> {
    const client = await RawClient.connect(login.port);
    client.write(encodeStartup(startup(login)));
    await client.authenticate(login.password);
    await client.until('ready-for-query');
    return client;
  }

  async authenticate(password: string): Promise<void> {
    for (;;) {
      const asked = await this.next();
      if (asked.type === 'authentication-ok') return;
      if (asked.type === 'negotiate-version' || asked.type === 'notice') continue;
      if (asked.type === 'authentication-cleartext') {
        this.send({ type: 'password', data: encodePassword(password) });
      } else if (asked.type === 'authentication-sasl') {
        const first = clientFirst(asked.mechanisms, randomBytes(18).toString('base64'), null);
        this.send({
          type: 'password',
          data: encodeSaslInitial({ mechanism: first.mechanism, response: first.message }),
        });
        const challenge = await this.next();
        if (challenge.type !== 'authentication-sasl-continue') throw unexpected(challenge);
        const terms = clientChallenge(first, challenge.data);
        const final = clientFinal(terms, pbkdf2Sync(password, terms.salt, terms.iterations, 32, 'sha256'));
        this.send({ type: 'password', data: final.message });
        const proof = await this.next();
        if (proof.type !== 'authentication-sasl-final') throw unexpected(proof);
        verifyServerFinal(final, proof.data);
      } else {
        throw unexpected(asked);
      }
    }
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  send(...messages: FrontendMessage[]): void {
    this.write(Buffer.concat(messages.map(encodeFrontend)));
  }

  /** Sends a simple query and gives its whole answer. */
  async query(sql: string): Promise<readonly BackendMessage[]> {
    this.send({ type: 'query', text: Buffer.from(sql) });
    return this.until('ready-for-query');
  }

  /** The next message; throws when the connection ended instead, or nothing came in time. */
  async next(timeout_ms = 10_000): Promise<BackendMessage> {
    const deadline = Date.now() + timeout_ms;
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.#broken !== null) throw this.#broken;
      if (this.#closed) throw new Error('the server closed the connection');
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`nothing came within ${timeout_ms} ms`);
      await this.#wait(left);
    }
  }

  /** Everything up to and including a message of this type. */
  async until(type: BackendMessage['type'], timeout_ms?: number): Promise<readonly BackendMessage[]> {
    const messages: BackendMessage[] = [];
    for (;;) {
      const message = await this.next(timeout_ms);
      messages.push(message);
      if (message.type === type) return messages;
      if (message.type === 'error' && /^(FATAL|PANIC)$/.test(message.fields.V ?? '')) throw unexpected(message);
    }
  }

  /** Resolves once the server has closed; everything it still said is in `received`. */
  async closed(timeout_ms = 10_000): Promise<void> {
    const deadline = Date.now() + timeout_ms;
    while (!this.#closed) {
      if (Date.now() > deadline) throw new Error(`still open after ${timeout_ms} ms`);
      await this.#wait(100);
    }
  }

  /** What came and nobody asked for yet. */
  pending(): readonly BackendMessage[] {
    return this.#messages;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  end(): void {
    this.socket.destroy();
  }

  #wait(timeout_ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeout_ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

export function startup(login: Login) {
  const parameters = { user: login.user, database: login.database, ...login.parameters };
  return { type: 'startup', major: 3, minor: login.minor ?? 0, parameters: Object.entries(parameters) } as const;
}

/** What the server said instead, as an error that carries its fields. */
export class ServerRefused extends Error {
  readonly fields: Readonly<Record<string, string>>;

  constructor(fields: Readonly<Record<string, string>>) {
    super(`${fields.S} ${fields.C}: ${fields.M}`);
    this.fields = fields;
  }
}

function unexpected(message: BackendMessage): Error {
  return message.type === 'error' ? new ServerRefused(message.fields) : new Error(`unexpected ${message.type}`);
}
