import { GatewayError } from '../../core/errors.ts';
import type { ConversationContext, TlsBinding, Upstream } from '../protocol.ts';
import { encodePassword, encodeSaslInitial } from './codec-authentication.ts';
import { decodeBackend } from './codec-backend.ts';
import { encodeFrontend } from './codec-frontend.ts';
import { backendLimits, FrameReader, frameBody } from './frames.ts';
import { md5Password } from './md5.ts';
import type { BackendMessage } from './messages.ts';
import type { Outbox } from './outbox.ts';
import { saslprep } from './saslprep.ts';
import {
  type ClientChallenge,
  type ClientFinal,
  type ClientFirst,
  clientChallenge,
  clientFinal,
  clientFirst,
  verifyServerFinal,
} from './scram.ts';
import { encodeStartup } from './startup.ts';

/** What the target said of the session it has opened. */
export interface TargetSession {
  readonly processId: number;
  readonly secret: Buffer;
  readonly parameters: ReadonlyMap<string, string>;
}

type Phase = 'tls-answer' | 'tls' | 'authentication' | 'salting' | 'settings' | 'done';

/**
 * Our side of the login at the target. A target that cannot be trusted yet is believed nothing: it may ask only for what
 * its configuration allows, has to prove that it knows the password where the method can, and no text of it reaches the
 * client, since it may name the gateway's credential.
 */
export class UpstreamLogin {
  private phase: Phase;
  private readonly upstream: Upstream;
  private readonly settings: Readonly<Record<string, string>>;
  private readonly minor: number;
  private readonly context: ConversationContext;
  private readonly out: Outbox;
  private readonly reader: FrameReader;
  private readonly parameters = new Map<string, string>();
  private key: { readonly processId: number; readonly secret: Buffer } | null = null;
  private binding: TlsBinding | null = null;
  private first: ClientFirst | null = null;
  private challenge: ClientChallenge | null = null;
  private final: ClientFinal | null = null;
  private proven = true;

  /** `settings` are the client's; those that the gateway pins win. */
  constructor(
    upstream: Upstream,
    settings: Readonly<Record<string, string>>,
    minor: number,
    context: ConversationContext,
    out: Outbox,
  ) {
    this.upstream = upstream;
    this.settings = settings;
    this.minor = minor;
    this.context = context;
    this.out = out;
    this.reader = new FrameReader(backendLimits({ ...context.limits, target_message_bytes_max: LOGIN_BYTES_MAX }));
    this.phase = upstream.tls === 'off' ? 'authentication' : 'tls-answer';
  }

  begin(): void {
    if (this.phase === 'tls-answer') this.out.relay(encodeStartup({ type: 'ssl-request' }));
    else this.startup();
  }

  tlsStarted(binding: TlsBinding): void {
    if (this.phase !== 'tls') throw new Error('TLS towards the target that nobody asked for');
    this.binding = binding;
    this.phase = 'authentication';
    this.startup();
  }

  derived(saltedPassword: Buffer): void {
    if (this.phase !== 'salting' || this.challenge === null) return;
    this.final = clientFinal(this.challenge, saltedPassword);
    this.phase = 'authentication';
    this.answer(this.final.message);
  }

  /** The session, once the target is ready for its first query. Throws TARGET_*, WIRE_*. */
  read(bytes: Buffer): TargetSession | null {
    if (this.phase === 'tls-answer') {
      this.tlsAnswer(bytes);
      return null;
    }
    if (this.phase === 'tls') throw misbehaved('sent bytes before the TLS handshake');
    this.reader.push(bytes);
    while (this.reader.next()) {
      const message = decodeBackend(this.reader.tag, frameBody(this.reader));
      const session = this.message(message);
      if (session === null) continue;
      if (this.reader.held > 0) throw misbehaved('sent more than was asked for behind its login');
      return session;
    }
    this.reader.keep();
    return null;
  }

  private tlsAnswer(bytes: Buffer): void {
    const answer = bytes[0];
    if (answer === REFUSES_TLS)
      throw new GatewayError('TARGET_TLS', 'the target does not speak TLS, which its configuration demands');
    if (answer !== OFFERS_TLS) throw misbehaved('gave no answer to SSLRequest');
    // What comes in clear behind the answer was written by nobody we know (CVE-2021-23222).
    if (bytes.length > 1) throw misbehaved('sent bytes in clear behind its answer to SSLRequest');
    this.phase = 'tls';
    this.out.push({ do: 'start-tls', side: 'upstream' });
  }

  private startup(): void {
    const { user, database, settings } = this.upstream;
    const parameters: [string, string][] = [
      ['user', user],
      ['database', database],
    ];
    const all = { ...this.settings, ...settings, client_encoding: 'UTF8' };
    for (const [name, value] of Object.entries(all)) parameters.push([name, value]);
    this.out.relay(encodeStartup({ type: 'startup', major: 3, minor: this.minor, parameters }));
  }

  private message(message: BackendMessage): TargetSession | null {
    if (message.type === 'error') throw loginRefused(message.fields.C ?? '');
    if (message.type === 'notice') return null;
    if (message.type === 'negotiate-version') {
      if (message.minor > this.minor) throw misbehaved(`chose protocol 3.${message.minor}, which was not offered`);
      return null;
    }
    if (this.phase === 'authentication') this.authenticate(message);
    else if (this.phase === 'settings') return this.setting(message);
    else throw misbehaved(`sent ${message.type} while nothing is due`);
    return null;
  }

  private authenticate(message: BackendMessage): void {
    const { auth, password, user, tls } = this.upstream;
    switch (message.type) {
      case 'authentication-ok':
        if (!this.proven) throw misbehaved('ended a SCRAM login without its proof');
        this.phase = 'settings';
        return;
      case 'authentication-sasl':
        this.proven = false;
        this.first = clientFirst(
          message.mechanisms,
          this.context.random(NONCE_BYTES).toString('base64'),
          this.binding?.serverEndPoint ?? null,
        );
        this.answer(encodeSaslInitial({ mechanism: this.first.mechanism, response: this.first.message }));
        return;
      case 'authentication-sasl-continue': {
        if (this.first === null || this.challenge !== null)
          throw misbehaved('continued a SCRAM login that is not there');
        const challenge = clientChallenge(this.first, Buffer.from(message.data));
        this.challenge = challenge;
        this.phase = 'salting';
        const { salt, iterations } = challenge;
        this.out.push({ do: 'derive', secret: saslprep(password), salt, iterations });
        return;
      }
      case 'authentication-sasl-final':
        if (this.final === null) throw misbehaved('ended a SCRAM login that is not there');
        verifyServerFinal(this.final, message.data);
        this.proven = true;
        return;
      case 'authentication-md5':
        if (auth === 'scram-sha-256' || this.first !== null) throw downgraded('md5');
        this.answer(encodePassword(md5Password(user, password, message.salt)));
        return;
      case 'authentication-cleartext':
        if (auth !== 'cleartext' || tls !== 'verify-full' || this.first !== null)
          throw downgraded('a clear-text password');
        this.answer(encodePassword(password));
        return;
      default:
        throw misbehaved(`sent ${message.type} during its login`);
    }
  }

  private setting(message: BackendMessage): TargetSession | null {
    switch (message.type) {
      case 'parameter-status':
        this.parameters.set(message.name, message.value);
        if (this.parameters.size > PARAMETERS_MAX) throw misbehaved('reported too many parameters');
        return null;
      case 'backend-key-data':
        this.key = { processId: message.processId, secret: Buffer.from(message.secret) };
        return null;
      case 'ready-for-query':
        if (message.status !== 'I') throw misbehaved('began its session inside a transaction');
        if (!UTF8.test(this.parameters.get('client_encoding') ?? '')) throw misbehaved('does not speak UTF8');
        this.phase = 'done';
        return {
          processId: this.key?.processId ?? 0,
          secret: this.key?.secret ?? Buffer.alloc(4),
          parameters: this.parameters,
        };
      default:
        throw misbehaved(`sent ${message.type} before it was ready`);
    }
  }

  private answer(data: Buffer): void {
    this.out.relay(encodeFrontend({ type: 'password', data }));
  }
}

/** The SQLSTATE says enough; the text would name the user and the database of the gateway's credential. */
function loginRefused(sqlState: string): GatewayError {
  const why = WHY[sqlState] ?? 'the target refused the session';
  return new GatewayError('TARGET_LOGIN', `${why} (${/^[0-9A-Z]{5}$/.test(sqlState) ? sqlState : 'XX000'})`, {
    sqlState,
  });
}

function downgraded(to: string): GatewayError {
  return misbehaved(`asked for ${to}, which its configuration does not allow`);
}

function misbehaved(what: string): GatewayError {
  return new GatewayError('TARGET_MISBEHAVED', `the target ${what}`);
}

const OFFERS_TLS = 0x53;
const REFUSES_TLS = 0x4e;
const NONCE_BYTES = 18;
const LOGIN_BYTES_MAX = 30_000;
const PARAMETERS_MAX = 200;
const UTF8 = /^(UTF-?8|UNICODE)$/i;
const WHY: Readonly<Record<string, string>> = {
  '28000': "the target refused the gateway's credential",
  '28P01': "the target refused the gateway's credential",
  '3D000': 'the target has no such database',
  '42501': 'the target does not let the gateway into this database',
  '53300': 'the target has no connection left',
  '57P03': 'the target is starting or stopping',
  '22023': 'the target refused a startup setting',
  '42704': 'the target refused a startup setting',
};
