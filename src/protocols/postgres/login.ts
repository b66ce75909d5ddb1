import { GatewayError } from '../../core/errors.ts';
import type { Reason } from '../../core/verdict.ts';
import type { ConversationContext, LoginMethod, TlsBinding } from '../protocol.ts';
import { decodePassword, decodeSaslInitial } from './codec-authentication.ts';
import { encodeBackend } from './codec-backend.ts';
import { StartupReader } from './frames.ts';
import { type ClientInput, clientBody } from './input.ts';
import type { StartupMessage } from './messages.ts';
import type { Outbox } from './outbox.ts';
import { refusalFields } from './refusals.ts';
import { type ServerFirst, serverFinal, serverFirst, serverMechanisms } from './scram.ts';
import { decodeStartup } from './startup.ts';
import { type StartupRequest, startupRequest } from './startup-parameters.ts';
import { PASSWORD, TERMINATE } from './tags.ts';

type Phase = 'startup' | 'tls' | 'method' | 'password' | 'sasl-initial' | 'sasl-final' | 'identify' | 'opening';
type Scram = Extract<LoginMethod, { kind: 'scram-sha-256' }>;

/**
 * The client's side of the login: what is asked before the startup packet, the startup packet, who he is, and the wish to
 * be let in. Whatever is wrong with name, secret or target is one answer of the same bytes.
 */
export class ClientLogin {
  /** Set once the startup packet was taken. */
  request: StartupRequest | null = null;
  /** The protocol's minor version that both sides speak. */
  minor = 0;
  private phase: Phase = 'startup';
  private readonly startup: StartupReader;
  private readonly input: ClientInput;
  private readonly context: ConversationContext;
  private readonly out: Outbox;
  private readonly asked = new Set<string>();
  private tls: TlsBinding | null = null;
  private scram: { readonly method: Scram; readonly first: ServerFirst | null } | null = null;
  /** What the client is told before AuthenticationOk, once he is let in. */
  private saslFinal: Buffer | null = null;
  private welcomed = false;

  constructor(context: ConversationContext, input: ClientInput, out: Outbox) {
    this.context = context;
    this.input = input;
    this.out = out;
    this.startup = new StartupReader(context.limits.startup_bytes_max);
  }

  clientBytes(bytes: Buffer): void {
    if (this.phase === 'tls') {
      // Whatever comes between our `S` and the handshake was not written by the client that is to be protected.
      throw new GatewayError('WIRE_OUT_OF_ORDER', 'bytes came between the answer to SSLRequest and the TLS handshake');
    }
    if (this.phase !== 'startup') {
      this.input.push(bytes);
      this.messages();
      return;
    }
    const packet = this.startup.read(bytes);
    if (packet === null) return;
    const message = decodeStartup(packet.body);
    if (message.type !== 'startup' && packet.rest.length > 0) {
      throw new GatewayError('WIRE_OUT_OF_ORDER', `bytes came behind a ${message.type} without waiting for its answer`);
    }
    this.packet(message);
    if (packet.rest.length > 0) {
      this.input.push(packet.rest);
      this.messages();
    }
  }

  tlsStarted(binding: TlsBinding): void {
    // Direct TLS has to name the protocol, so that a handshake meant for another one is not taken (manual, "SSL Session Encryption").
    if (this.phase === 'startup' && binding.alpn !== 'postgresql') {
      throw new GatewayError('WIRE_UNSUPPORTED', 'direct TLS without the ALPN protocol "postgresql"');
    }
    this.tls = binding;
    this.phase = 'startup';
  }

  method(method: LoginMethod): void {
    if (this.phase !== 'method') return;
    switch (method.kind) {
      case 'refuse':
        this.refuse(method.reason);
        return;
      case 'password':
        if (this.tls === null && !this.context.cleartextAllowed)
          throw new GatewayError('CLEARTEXT_REFUSED', NO_CLEARTEXT);
        this.phase = 'password';
        this.out.reply(encodeBackend({ type: 'authentication-cleartext' }));
        break;
      case 'scram-sha-256':
        this.scram = { method, first: null };
        this.phase = 'sasl-initial';
        this.out.reply(encodeBackend({ type: 'authentication-sasl', mechanisms: serverMechanisms(this.endPoint) }));
    }
    this.messages();
  }

  identified(): void {
    if (this.phase !== 'identify' || this.request === null) return;
    this.phase = 'opening';
    const { database, user, applicationName } = this.request;
    // A database that is not named is that of the user's name (manual, StartupMessage), but on a port of its target's own.
    const target = database === '' && this.context.listenerTarget === null ? user : database;
    this.out.push({ do: 'open', target, clientName: applicationName, user });
  }

  /** The client may come in. Said before a hold is told of: libpq takes notices only from then on. */
  welcome(): void {
    if (this.welcomed) return;
    this.welcomed = true;
    if (this.saslFinal !== null) {
      this.out.reply(encodeBackend({ type: 'authentication-sasl-final', data: this.saslFinal }));
    }
    this.out.reply(encodeBackend({ type: 'authentication-ok' }));
  }

  opened(): void {
    this.welcome();
    const justification = this.request?.justification ?? null;
    if (justification !== null) this.out.push({ do: 'justify', justification });
  }

  /** One answer for an unknown name, an unknown target, one that is not permitted, and a wrong secret. */
  refuse(reason: Reason): void {
    const request = this.request;
    const uniform = reason.request === null && UNIFORM.test(reason.code);
    const fields = uniform
      ? {
          S: 'FATAL',
          V: 'FATAL',
          C: '28000',
          M: `access denied for user "${printableName(request?.user ?? '')}"`,
          H: HINT,
        }
      : refusalFields(reason, 'FATAL');
    this.out.reply(encodeBackend({ type: 'error', fields }));
    this.out.close({ do: 'close', why: 'the login was refused', code: 'IDENTITY_REFUSED' });
  }

  private get endPoint(): Buffer | null {
    return this.tls?.serverEndPoint ?? null;
  }

  private packet(message: StartupMessage): void {
    switch (message.type) {
      case 'ssl-request':
      case 'gssenc-request':
        this.encryption(message.type);
        return;
      case 'cancel-request':
        this.out.push({ do: 'cancel-session', processId: message.processId, secret: Buffer.from(message.secret) });
        this.out.close({ do: 'close', why: 'a cancel request has no answer', code: null });
        return;
      case 'startup':
        this.begin(message);
        return;
    }
  }

  private encryption(asked: 'ssl-request' | 'gssenc-request'): void {
    if (this.asked.has(asked) || this.tls !== null) {
      throw new GatewayError('WIRE_OUT_OF_ORDER', `a second ${asked} on one connection`);
    }
    this.asked.add(asked);
    if (asked === 'ssl-request' && this.context.clientTls) {
      this.phase = 'tls';
      this.out.reply(YES);
      this.out.push({ do: 'start-tls', side: 'client' });
    } else {
      this.out.reply(NO);
    }
  }

  private begin(message: StartupMessage & { type: 'startup' }): void {
    const request = startupRequest(message.parameters);
    const limit = this.context.limits.justification_bytes_max;
    if (Buffer.byteLength(request.justification ?? '') > limit) {
      throw new GatewayError('WIRE_FRAME_TOO_LONG', `a justification is at most ${limit} bytes`);
    }
    this.request = request;
    this.minor = Math.min(message.minor, MINOR_MAX);
    if (message.minor > MINOR_MAX || request.unsupported.length > 0) {
      const { unsupported } = request;
      this.out.reply(encodeBackend({ type: 'negotiate-version', minor: this.minor, unsupported }));
    }
    this.phase = 'method';
    this.out.push({ do: 'begin-login', user: request.user });
  }

  /** Password messages, as far as one is awaited. What comes after them waits for the session. */
  private messages(): void {
    while (this.phase === 'password' || this.phase === 'sasl-initial' || this.phase === 'sasl-final') {
      const frame = this.input.next();
      if (frame === null) return;
      if (frame.tag === TERMINATE) {
        this.out.close({ do: 'close', why: 'the client went away during the login', code: null });
        return;
      }
      if (frame.tag !== PASSWORD) {
        throw new GatewayError('WIRE_OUT_OF_ORDER', `message 0x${frame.tag.toString(16)} where a password is due`);
      }
      this.password(clientBody(frame));
    }
    if (this.input.held_bytes > this.context.limits.held_bytes_max) {
      throw new GatewayError('WIRE_OUT_OF_ORDER', 'too many bytes before the login is over');
    }
  }

  private password(data: Buffer): void {
    const user = this.request?.user ?? '';
    if (this.phase === 'password') {
      this.phase = 'identify';
      this.out.push({ do: 'identify', proof: { kind: 'password', user, secret: decodePassword(data) } });
      return;
    }
    const scram = this.scram;
    if (scram === null) throw new Error('a SASL message without a SASL login');
    if (scram.first === null) {
      const { mechanism, response } = decodeSaslInitial(data);
      if (response === null) throw new GatewayError('WIRE_MALFORMED', 'a SASL login without its first message');
      const nonce = this.context.random(NONCE_BYTES).toString('base64');
      const { salt, iterations } = scram.method;
      const first = serverFirst(response, { mechanism, endPoint: this.endPoint, nonce, salt, iterations });
      this.scram = { method: scram.method, first };
      this.phase = 'sasl-final';
      this.out.reply(encodeBackend({ type: 'authentication-sasl-continue', data: first.message }));
      return;
    }
    const final = serverFinal(scram.first, data, scram.method.verifiers);
    if (final.verifier !== null) this.saslFinal = final.message;
    this.phase = 'identify';
    this.out.push({ do: 'identify', proof: { kind: 'scram', user, verifier: final.verifier } });
  }
}

function printableName(name: string): string {
  return name.slice(0, NAME_CHARACTERS_MAX).replace(/[^\x20-\x7e]/g, '?');
}

const YES = Buffer.from('S');
const NO = Buffer.from('N');
/** 3.2 is the newest version (manual, "Protocol Versions"). */
const MINOR_MAX = 2;
const NONCE_BYTES = 18;
const NAME_CHARACTERS_MAX = 63;
const UNIFORM = /^(IDENTITY_(REFUSED|EXPIRED|REVOKED)|TARGET_REFUSED|POLICY_|JUSTIFICATION_|ANALYZER_|STEP_UP_)/;
const HINT = 'check the name, the token and the database, which names the target';
const NO_CLEARTEXT =
  'a token may not cross this connection in clear: connect with sslmode=verify-full, or on loopback where the gateway allows it';
