import { pbkdf2 } from 'node:crypto';
import type net from 'node:net';
import { promisify } from 'node:util';
import type { Action, ActionDraft } from '../core/action.ts';
import { GatewayError } from '../core/errors.ts';
import type { Session } from '../core/session.ts';
import type { Reason, Verdict } from '../core/verdict.ts';
import type { Conversation, Effect, Side, WireEvent } from '../protocols/protocol.ts';
import { Admission } from './admission.ts';
import { hold } from './asking.ts';
import { deliverCancel } from './cancels.ts';
import { SessionEntries } from './entries.ts';
import { actionOf, type Destination, reasonOf, TARGET_STALLED } from './opening.ts';
import type { GatewayPorts, Listener } from './ports.ts';
import { WireSocket } from './socket.ts';
import { bindingOfClient, bindingOfUpstream, upstreamTlsOptions } from './tls.ts';

/**
 * One client and its target: runs the effects of a conversation and tells it what comes of them. All I/O of a wire
 * protocol happens here. Whatever goes wrong ends this connection and no other.
 */
export class Connection {
  readonly #ports: GatewayPorts;
  readonly #listener: Listener;
  readonly #client: WireSocket;
  readonly #conversation: Conversation;
  readonly #entries: SessionEntries;
  readonly #admission: Admission;
  readonly #onClosed: () => void;
  readonly #events: WireEvent[] = [];
  readonly #toClient: Uint8Array[] = [];
  readonly #toUpstream: Uint8Array[] = [];
  /** Actions that were answered `ask`, or whose verdict is on its way. */
  readonly #undecided = new Map<number, Action>();
  readonly #asked = new Map<number, AbortController>();
  readonly #cleanups: (() => void)[] = [];
  #upstream: WireSocket | null = null;
  #session: Session | null = null;
  #destination: Destination | null = null;
  #sequence = 0;
  #lookingUp = 0;
  #first = true;
  #running = false;
  #closed = false;
  #closing: { why: string; code: string | null } | null = null;
  #deadline: NodeJS.Timeout | null;

  constructor(ports: GatewayPorts, listener: Listener, socket: net.Socket, onClosed: () => void) {
    this.#ports = ports;
    this.#listener = listener;
    this.#onClosed = onClosed;
    this.#client = new WireSocket(socket, {
      bytes: (bytes) => this.#clientBytes(bytes),
      closed: () => this.#dispatch({ on: 'client-closed' }),
      drained: () => this.#upstream?.resume(),
    });
    const clientAddress = this.#client.remoteAddress;
    this.#entries = new SessionEntries(ports, clientAddress, () => this.#session);
    this.#admission = new Admission(ports, listener, {
      clientAddress,
      entries: this.#entries,
      dispatch: (event) => this.#dispatch(event),
      action: (draft, session) => this.#action(draft, session),
      begun: (session, destination) => {
        this.#session = session;
        this.#destination = destination;
      },
      patient: () => this.#patient(),
      connected: (upstream) => this.#connected(upstream),
      closed: () => this.#closed,
      atEnd: (cleanup) => this.#cleanups.push(cleanup),
      end: (reason) => this.end(reason),
      drain: () => this.drain(),
    });
    this.#conversation = listener.protocol.converse({
      limits: ports.limits,
      clientTls: listener.tls !== null,
      cleartextAllowed: this.#client.fromLoopback && listener.insecureLoopback,
      listenerTarget: listener.target,
      random: ports.random,
      cellMask: ports.cellMask,
    });
    const late = () =>
      this.#upstream === null
        ? this.#refuseBytes('HANDSHAKE_TIMEOUT', 'the login took too long')
        : this.#dispatch({ on: 'upstream-failed', reason: TARGET_STALLED });
    this.#deadline = setTimeout(late, ports.limits.handshake_ms);
  }

  /** Tells the client why, then closes. */
  end(reason: Reason): void {
    this.#dispatch({ on: 'revoked', reason });
  }

  /** Ends it as soon as nothing is open. */
  drain(): void {
    this.#dispatch({ on: 'drain' });
  }

  #clientBytes(bytes: Buffer): void {
    const first = this.#first;
    this.#first = false;
    // Direct TLS (PostgreSQL manual, "SSL Session Encryption"): nothing is asked in the protocol, the handshake comes at once.
    if (first && bytes[0] === TLS_HANDSHAKE && this.#listener.tls !== null)
      this.#startTls('client', Buffer.from(bytes));
    else this.#dispatch({ on: 'client-bytes', bytes });
  }

  /** Events are handled one after the other; what an effect causes at once is handled next. */
  #dispatch(event: WireEvent): void {
    if (this.#closed) return;
    this.#events.push(event);
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        for (const effect of this.#conversation.handle(next)) this.#run(effect);
      }
      this.#flush();
    } catch (fault) {
      this.#fail(fault);
    } finally {
      this.#running = false;
    }
    if (this.#closing !== null) this.#close(this.#closing);
  }

  #run(effect: Effect): void {
    const ports = this.#ports;
    switch (effect.do) {
      case 'reply':
        this.#toClient.push(effect.bytes);
        break;
      case 'relay':
        this.#toUpstream.push(effect.bytes);
        break;
      case 'forward':
        ports.pipeline.spend(effect.clearance);
        this.#toUpstream.push(effect.bytes);
        break;
      case 'decide':
        this.#decide(effect.key, effect.draft);
        break;
      case 'ask':
        void this.#ask(effect.keys, effect.inTransaction);
        break;
      case 'withdraw':
        for (const key of effect.keys) this.#asked.get(key)?.abort(effect.why);
        break;
      case 'record':
        this.#entries.record(effect.entry);
        break;
      case 'begin-login':
        this.#later(this.#admission.loginMethod(effect.user), (method) => ({ on: 'login-method', method }));
        break;
      case 'identify':
        void this.#admission.identify(effect.proof);
        break;
      case 'open':
        void this.#admission.open(effect.target, effect.clientName);
        break;
      case 'start-tls':
        this.#startTls(effect.side, null);
        break;
      case 'derive':
        this.#later(derive(effect.secret, effect.salt, effect.iterations, 32, 'sha256'), (key) => ({
          on: 'derived',
          key,
        }));
        break;
      case 'look-up':
        this.#lookUp();
        break;
      case 'register-cancel':
        this.#registerCancel(effect);
        break;
      case 'cancel-session':
        if (!ports.cancels.cancel(effect.processId, effect.secret)) {
          ports.log.warn({ client: this.#client.remoteAddress }, 'a cancel request with a key of nobody');
        }
        break;
      case 'cancel-upstream':
        this.#later(this.#cancelUpstream(effect), () => ({ on: 'cancel-delivered' }));
        break;
      case 'justify':
        if (this.#session !== null) this.#session.justification = effect.justification;
        break;
      case 'notice':
        ports.log.warn({ code: effect.code, session: this.#session?.id ?? null }, effect.message);
        break;
      case 'close':
        this.#closing ??= { why: effect.why, code: effect.code };
        break;
    }
  }

  #decide(key: number, draft: ActionDraft): void {
    const session = this.#session;
    if (session === null) throw new Error('an action before its session');
    const action = this.#action(draft, session);
    const verdict = this.#ports.pipeline.decide(action);
    if (verdict instanceof Promise) void verdict.then((settled) => this.#verdict(key, action, settled));
    else this.#verdict(key, action, verdict);
  }

  #verdict(key: number, action: Action, verdict: Verdict): void {
    if (verdict.outcome === 'ask') this.#undecided.set(key, action);
    else this.#undecided.delete(key);
    this.#ports.count.action(action.protocol, action.classification.verb, verdict.outcome);
    this.#dispatch({ on: 'verdict', key, verdict });
  }

  async #ask(keys: readonly number[], inTransaction: boolean): Promise<void> {
    const actions = keys.map((key) => this.#undecided.get(key)).filter((action) => action !== undefined);
    if (actions.length !== keys.length) return this.#fail(new Error('asked about an action that nobody decided'));
    const controller = new AbortController();
    for (const key of keys) this.#asked.set(key, controller);
    const since = this.#ports.now();
    let stop = () => {};
    const verdicts = await this.#ports.pipeline.ask(actions, {
      inTransaction,
      signal: controller.signal,
      filed: (request) => {
        stop = hold(this.#ports, request, (told) => this.#dispatch({ on: 'held', keys, hold: told }));
      },
    });
    stop();
    this.#ports.count.held((this.#ports.now() - since) / 1_000);
    for (const [index, key] of keys.entries()) {
      this.#asked.delete(key);
      const [action, verdict] = [actions[index], verdicts[index]];
      if (action !== undefined && verdict !== undefined) this.#verdict(key, action, verdict);
    }
  }

  #action(draft: ActionDraft, session: Session): Action {
    this.#sequence += 1;
    return actionOf(draft, session, this.#sequence, this.#ports.now());
  }

  /** The client knows its cancel key, so the login is over: no more deadline, and plain sockets read into buffers of their own. */
  #registerCancel({ processId, secret }: Effect & { do: 'register-cancel' }): void {
    const cancel = () => this.#dispatch({ on: 'cancelled' });
    this.#cleanups.push(this.#ports.cancels.register(processId, secret, cancel));
    this.#patient();
    setImmediate(() => this.#accelerate());
  }

  /** Between two events, as soon as both sides are idle; a long answer may be under way just now. */
  #accelerate(): void {
    if (this.#closed) return;
    const isDone = [this.#client, this.#upstream].map((socket) => socket?.accelerate() ?? true);
    if (isDone.includes(false)) setTimeout(() => this.#accelerate(), ACCELERATE_AGAIN_MS);
  }

  #patient(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = null;
  }

  #connected(socket: net.Socket): void {
    this.#upstream = new WireSocket(socket, {
      bytes: (bytes) => this.#dispatch({ on: 'upstream-bytes', bytes }),
      closed: () => this.#dispatch({ on: 'upstream-closed' }),
      drained: () => this.#readClient(),
    });
  }

  #startTls(side: Side, initial: Buffer | null): void {
    const [server, upstream, destination] = [this.#listener.tls?.() ?? null, this.#upstream, this.#destination];
    if (side === 'client') {
      if (server === null) throw new Error('TLS towards the client without a certificate');
      const options = { secureContext: server.context, ALPNProtocols: [...this.#listener.alpn] };
      this.#flush();
      this.#client.startTls(options, 'server', initial).then(
        (socket) =>
          this.#dispatch({ on: 'tls-started', side, binding: bindingOfClient(server.serverEndPoint, socket) }),
        (fault: Error) => this.#refuseBytes('WIRE_MALFORMED', `the TLS handshake failed: ${fault.message}`),
      );
      return;
    }
    if (upstream === null || destination === null) throw new Error('TLS towards a target that is not connected');
    upstream.startTls(upstreamTlsOptions(destination.target), 'client', null).then(
      (socket) => this.#dispatch({ on: 'tls-started', side, binding: bindingOfUpstream(socket) }),
      (fault: Error) => {
        const failed = new GatewayError('TARGET_TLS', `TLS to the target failed: ${fault.message}`);
        this.#dispatch({ on: 'upstream-failed', reason: reasonOf(failed) });
      },
    );
  }

  /**
   * What is answered meanwhile waits, too: a client that changed what names mean is told so when every session knows.
   */
  #lookUp(): void {
    this.#lookingUp += 1;
    this.#later(this.#catalogue(), (catalogue) => {
      this.#lookingUp -= 1;
      return { on: 'catalogue', catalogue };
    });
  }

  /** The newest snapshot, or the last one known when it cannot be read: unknown names then stay unknown. */
  async #catalogue(): Promise<unknown> {
    const { catalogues, log } = this.#ports;
    const session = this.#session;
    if (session === null) throw new Error('a catalogue before its session');
    try {
      return await catalogues.refresh(session.target, session.database);
    } catch (fault) {
      log.warn({ err: fault, target: session.target }, 'the catalogue could not be refreshed');
      return catalogues.current(session.target, session.database).catch(() => null);
    }
  }

  async #cancelUpstream(effect: Effect & { do: 'cancel-upstream' }): Promise<void> {
    try {
      if (this.#destination !== null) await deliverCancel(this.#ports, this.#destination.target, effect);
    } catch (fault) {
      this.#ports.log.warn({ err: fault }, 'a cancel request did not reach the target');
    }
  }

  #later<T>(work: Promise<T>, event: (value: T) => WireEvent): void {
    work.then(
      (value) => this.#dispatch(event(value)),
      (fault) => this.#fail(fault),
    );
  }

  /** Hands over what was collected. A side that does not keep up stops the other one from being read. */
  #flush(): void {
    const upstream = this.#upstream;
    if (this.#toUpstream.length > 0 && upstream !== null) {
      if (!upstream.write(this.#toUpstream)) this.#client.pause();
      this.#toUpstream.length = 0;
    }
    if (this.#toClient.length > 0) {
      if (this.#lookingUp > 0) upstream?.pause();
      else if (this.#client.write(this.#toClient.splice(0))) upstream?.resume();
      else upstream?.pause();
    }
    // What is not written yet still points into what was read.
    const isWritten =
      this.#toClient.length + this.#client.unwrittenBytes === 0 && (upstream === null || upstream.unwrittenBytes === 0);
    for (const socket of [this.#client, upstream]) isWritten ? socket?.release() : socket?.retain();
    this.#readClient();
  }

  /** The client is read while the conversation has room for more and the target keeps up. */
  #readClient(): void {
    if (this.#conversation.wantsClientBytes?.() === false) this.#client.pause();
    else if (this.#upstream === null || this.#upstream.unwrittenBytes === 0) this.#client.resume();
  }

  /** Something that must not happen did: this session ends, the gateway does not. */
  #fail(fault: unknown): void {
    this.#ports.log.error({ err: fault, session: this.#session?.id ?? null }, 'a connection failed');
    const known = fault instanceof GatewayError;
    this.#close({ why: known ? fault.message : 'an error inside the gateway', code: known ? fault.code : null });
  }

  /** What came before there was anybody to answer is recorded, and nothing more is read. */
  #refuseBytes(code: 'HANDSHAKE_TIMEOUT' | 'WIRE_MALFORMED', message: string): void {
    if (this.#closed) return;
    this.#entries.record({ kind: 'refused-bytes', code, message });
    this.#close({ why: message, code });
  }

  #close(closing: { why: string; code: string | null }): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#patient();
    for (const controller of this.#asked.values()) controller.abort('client-gone');
    for (const cleanup of this.#cleanups.splice(0)) cleanup();
    if (this.#toClient.length > 0) this.#client.write(this.#toClient);
    this.#client.end();
    this.#upstream?.end();
    const session = this.#session;
    if (session !== null) {
      this.#ports.sessions.remove(session.id);
      this.#ports.count.sessionClosed(session.protocol);
      const facts = { code: closing.code, duration_ms: this.#ports.now() - session.startedAt };
      this.#entries.write('session-end', facts, { why: closing.why });
    }
    setTimeout(() => {
      this.#client.destroy();
      this.#upstream?.destroy();
    }, LINGER_MS).unref();
    this.#onClosed();
  }
}

const derive = promisify(pbkdf2);
const ACCELERATE_AGAIN_MS = 20;
/** TLS ContentType handshake (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 0x16;
/** How long a peer may take to read our last words. */
const LINGER_MS = 2_000;
