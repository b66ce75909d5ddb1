import { GatewayError } from '../../core/errors.ts';
import type { Reason } from '../../core/verdict.ts';
import type { Conversation, ConversationContext, Effect, WireEvent } from '../protocol.ts';
import type { Catalogue } from '../sql/catalogue.ts';
import type { Classifier } from '../sql/statement.ts';
import { encodeBackend } from './codec-backend.ts';
import { Dialogue } from './dialogue.ts';
import { holdNotice } from './hold.ts';
import { ClientInput } from './input.ts';
import { ClientLogin } from './login.ts';
import { Outbox } from './outbox.ts';
import { errorFields, refusalFields } from './refusals.ts';
import { encodeStartup } from './startup.ts';
import { type TargetSession, UpstreamLogin } from './upstream-login.ts';

/** One client of one PostgreSQL target, from the first byte to the last: the client's login, ours at the target, the session. */
export class PostgresConversation implements Conversation {
  private readonly context: ConversationContext;
  private readonly classifier: Classifier;
  private readonly out = new Outbox();
  private readonly input: ClientInput;
  private readonly login: ClientLogin;
  private upstream: UpstreamLogin | null = null;
  private dialogue: Dialogue | null = null;
  private catalogue: Catalogue | null = null;
  private timesHeld = 0;
  private heldKey = 0;

  constructor(context: ConversationContext, classifier: Classifier) {
    this.context = context;
    this.classifier = classifier;
    this.input = new ClientInput(context.limits);
    this.login = new ClientLogin(context, this.input, this.out);
  }

  handle(event: WireEvent): readonly Effect[] {
    if (this.out.closed) return NOTHING;
    try {
      this.dispatch(event);
    } catch (fault) {
      if (!(fault instanceof GatewayError)) throw fault;
      this.fail(fault);
    }
    return this.out.take();
  }

  wantsClientBytes(): boolean {
    if (this.dialogue !== null) return this.dialogue.wantsClientBytes();
    return this.input.held_bytes <= this.context.limits.held_bytes_max;
  }

  private dispatch(event: WireEvent): void {
    const { dialogue } = this;
    if (dialogue === null) {
      this.beforeSession(event);
      return;
    }
    switch (event.on) {
      case 'client-bytes':
        dialogue.clientBytes(event.bytes);
        return;
      case 'upstream-bytes':
        dialogue.upstreamBytes(event.bytes);
        return;
      case 'verdict':
        dialogue.verdict(event.key, event.verdict);
        return;
      case 'held':
        this.timesHeld = event.keys[0] === this.heldKey ? this.timesHeld + 1 : 1;
        this.heldKey = event.keys[0] ?? 0;
        dialogue.held(event.hold, this.timesHeld > 1);
        return;
      case 'catalogue':
        dialogue.catalogue(catalogueOf(event.catalogue));
        return;
      case 'cancelled':
        dialogue.cancelled();
        return;
      case 'cancel-delivered':
        dialogue.cancelDelivered();
        return;
      case 'client-closed':
        dialogue.clientClosed();
        return;
      case 'upstream-closed':
      case 'upstream-failed':
        dialogue.upstreamClosed();
        return;
      case 'revoked':
        dialogue.revoked(event.reason);
        return;
      case 'drain':
        dialogue.drain();
        return;
      default:
        // Answers to a login that is over, and the clock, which only a hold would need.
        return;
    }
  }

  private beforeSession(event: WireEvent): void {
    const { login, out } = this;
    switch (event.on) {
      case 'client-bytes':
        login.clientBytes(event.bytes);
        return;
      case 'tls-started':
        if (event.side === 'client') {
          login.tlsStarted(event.binding);
          return;
        }
        this.upstream?.tlsStarted(event.binding);
        return;
      case 'login-method':
        login.method(event.method);
        return;
      case 'identified':
        login.identified();
        return;
      case 'not-identified':
        login.refuse(event.reason);
        return;
      case 'held':
        login.welcome();
        out.reply(holdNotice(event.hold));
        return;
      case 'opened':
        login.opened();
        return;
      case 'upstream-open':
        this.catalogue ??= catalogueOf(event.upstream.catalogue);
        this.upstream = new UpstreamLogin(
          event.upstream,
          login.request?.settings ?? {},
          login.minor,
          this.context,
          out,
        );
        this.upstream.begin();
        return;
      case 'derived':
        this.upstream?.derived(event.key);
        return;
      case 'upstream-bytes': {
        const session = this.upstream?.read(event.bytes) ?? null;
        session === null ? undefined : this.begin(session);
        return;
      }
      case 'catalogue':
        this.catalogue = catalogueOf(event.catalogue);
        return;
      case 'upstream-failed':
        this.refuse(event.reason);
        return;
      case 'upstream-closed':
        throw new GatewayError('TARGET_LOGIN', 'the target closed the connection during the login');
      case 'revoked':
        this.refuse(event.reason);
        return;
      case 'drain':
        throw new GatewayError('GATEWAY_STOPPING', 'the gateway is stopping');
      case 'client-closed':
        out.close({ do: 'close', why: 'the client went away during the login', code: null });
        return;
      default:
        return;
    }
  }

  /** Both logins are over. The process id is the server's own, the secret is ours. */
  private begin(session: TargetSession): void {
    const { context, login, out } = this;
    const applicationName = login.request?.applicationName ?? '';
    // Settings of the gateway's own, such as who is behind the session, are for the target's eyes.
    const startup = new Map(session.parameters).set('application_name', applicationName);
    for (const [name, value] of startup) out.reply(encodeBackend({ type: 'parameter-status', name, value }));
    const secret = context.random(login.minor >= LONG_SECRET_MINOR ? LONG_SECRET_BYTES : SECRET_BYTES);
    const { processId } = session;
    out.push({ do: 'register-cancel', processId, secret });
    out.reply(encodeBackend({ type: 'backend-key-data', processId, secret }));
    out.reply(encodeBackend({ type: 'ready-for-query', status: 'I' }));
    this.dialogue = new Dialogue({
      context,
      classifier: this.classifier,
      input: this.input,
      out,
      catalogue: this.catalogue,
      startup,
      cancelBytes: encodeStartup({ type: 'cancel-request', processId, secret: session.secret }),
    });
    this.dialogue.begin();
  }

  private refuse(reason: Reason): void {
    if (reason.code.startsWith('IDENTITY_') || reason.code === 'TARGET_REFUSED') {
      this.login.refuse(reason);
      return;
    }
    this.out.reply(encodeBackend({ type: 'error', fields: refusalFields(reason, 'FATAL') }));
    this.out.close({ do: 'close', why: reason.why, code: 'TARGET_UNREACHABLE' });
  }

  /** Somebody has sent what he must not. Nothing of it was forwarded, and nothing more is read. */
  private fail(fault: GatewayError): void {
    const { out, dialogue } = this;
    const byTarget = fault.code.startsWith('TARGET_');
    if (fault.code === 'IDENTITY_REFUSED') {
      this.login.refuse(NOT_PROVEN);
      return;
    }
    if (byTarget) out.push({ do: 'notice', code: fault.code, message: fault.message });
    else if (fault.code.startsWith('WIRE_'))
      out.record({ kind: 'refused-bytes', code: fault.code, message: fault.message });
    dialogue?.abandon(fault.code);
    if (dialogue?.midMessage !== true) {
      out.reply(encodeBackend({ type: 'error', fields: errorFields(fault, 'FATAL') }));
    }
    out.close({ do: 'close', why: fault.message, code: fault.code });
  }
}

/** What `look-up` brings is what the catalogue room of this protocol made. */
function catalogueOf(value: unknown): Catalogue | null {
  // The gateway hands through what its catalogue reader for this very protocol produced, or null.
  return (value ?? null) as Catalogue | null;
}

const NOTHING: readonly Effect[] = [];
const SECRET_BYTES = 4;
/** Since 3.2 secrets may be longer (manual, BackendKeyData). */
const LONG_SECRET_MINOR = 2;
const LONG_SECRET_BYTES = 32;
const NOT_PROVEN: Reason = {
  code: 'IDENTITY_REFUSED',
  rule: null,
  why: 'access denied',
  hint: '',
  cure: null,
  retry: 'never',
  request: null,
};
