import { GatewayError } from '../../core/errors.ts';
import type { Reason, Verdict } from '../../core/verdict.ts';
import type { ConversationContext, Hold } from '../protocol.ts';
import type { Catalogue } from '../sql/catalogue.ts';
import type { Classifier } from '../sql/statement.ts';
import { Actions, isParticular, takesData } from './actions.ts';
import type { AnswersHost } from './answers-host.ts';
import { encodeBackend } from './codec-backend.ts';
import { decodeFrontend, encodeFrontend } from './codec-frontend.ts';
import { CopyIn } from './copying.ts';
import { Deciding } from './deciding.ts';
import { HEADER_BYTES } from './frames.ts';
import { Gate } from './gate.ts';
import { Gathering } from './gathering.ts';
import { holdNotice } from './hold.ts';
import { type ClientFrame, type ClientInput, clientBody } from './input.ts';
import type { TransactionStatus } from './messages.ts';
import { UNSETTLED } from './names.ts';
import type { Outbox } from './outbox.ts';
import { Presenter } from './presenter.ts';
import { missing, UNNAMED_STATEMENT } from './reasons.ts';
import { refusalFields } from './refusals.ts';
import { Answers } from './results.ts';
import { Sender } from './sending.ts';
import { encodeStartup } from './startup.ts';
import { SessionState } from './state.ts';
import { FLUSH, SYNC, TERMINATE } from './tags.ts';
import type { Portal, Work } from './work.ts';

export interface DialogueParts {
  readonly context: ConversationContext;
  readonly classifier: Classifier;
  readonly input: ClientInput;
  readonly out: Outbox;
  readonly catalogue: Catalogue | null;
  /** Parameters as the client was told them at the start. */
  readonly startup: ReadonlyMap<string, string>;
  /** The CancelRequest that stops what this session does at the target. */
  readonly cancelBytes: Buffer;
}

/**
 * A session once both logins are over: the client's messages in order, each decided before it passes, while answers to
 * earlier ones come back. What cannot go on yet closes the gate, and an event opens it again.
 */
export class Dialogue implements AnswersHost {
  private readonly parts: DialogueParts;
  private readonly state: SessionState;
  private readonly actions: Actions;
  private readonly answers: Answers;
  private readonly sender: Sender;
  readonly presenter: Presenter;
  private readonly gate = new Gate();
  private readonly gathering: Gathering;
  private readonly deciding: Deciding;
  private readonly copyIn: CopyIn;
  private draining = false;
  /** A notice that waits for the end of a message. */
  private notice: Buffer | null = null;
  private listening = false;
  private ddl = false;

  constructor(parts: DialogueParts) {
    const { context, out } = parts;
    this.parts = parts;
    this.state = new SessionState(() => this.gate.open('state'));
    this.actions = new Actions(parts.classifier, context.limits, this.state);
    this.actions.renew(parts.catalogue);
    this.presenter = new Presenter(context, this.actions, this.state, parts.startup);
    this.copyIn = new CopyIn(parts.input, out);
    this.answers = new Answers(this, context.limits, out);
    const { ledger } = this.answers;
    this.sender = new Sender(ledger, out, this.state, context.random(NAME_BYTES));
    const { actions, state, sender, gate } = this;
    const gathering = (this.gathering = new Gathering(gate, out, sender));
    this.deciding = new Deciding({ limits: context.limits, actions, state, sender, ledger, gate, gathering, out });
  }

  /** A message to the client is cut: nothing of ours may be written. */
  get midMessage(): boolean {
    return this.answers.midMessage;
  }

  // ── events

  /** The state is asked before anybody needs it: the answer is mostly there when the first statement comes. */
  begin(): void {
    this.sender.askState();
    this.pump();
  }

  /** The session ends for a fault of one side. */
  abandon(error: string): void {
    this.gathering.withdraw('client-gone');
    this.answers.abandon(error);
  }

  clientBytes(bytes: Buffer): void {
    this.parts.input.push(bytes);
    this.pump();
  }

  upstreamBytes(bytes: Buffer): void {
    this.answers.read(bytes);
    this.sayNotice();
    this.proceed();
  }

  verdict(key: number, verdict: Verdict): void {
    this.gathering.verdict(key, verdict);
    this.pump();
  }

  held(hold: Hold, again: boolean): void {
    if (this.gate.wait?.for !== 'people') return;
    this.notice = holdNotice(hold);
    this.sayNotice();
    if (again) this.sender.keepAlive();
  }

  catalogue(catalogue: Catalogue | null): void {
    if (this.actions.renew(catalogue)) this.deciding.catalogueRenewed();
    this.gate.open('catalogue');
    this.pump();
  }

  /** Somebody who knows the session's cancel key asked to cancel. */
  cancelled(): void {
    if (this.gathering.withdraw('cancelled')) {
      this.pump();
      return;
    }
    if (!this.answers.ledger.working || this.deciding.cancelling) return;
    this.cancelUpstream();
  }

  cancelDelivered(): void {
    this.deciding.cancelling = false;
    this.gate.open('cancel');
    this.pump();
  }

  clientClosed(): void {
    this.abandon('client-gone');
    this.parts.out.close({ do: 'close', why: 'the client went away', code: null });
  }

  upstreamClosed(): void {
    this.abandon('target-closed');
    this.end('TARGET_CLOSED', 'the target closed the connection', CONNECTION_FAILURE);
  }

  revoked(reason: Reason): void {
    if (this.answers.ledger.working && !this.deciding.cancelling) this.cancelUpstream();
    this.abandon('revoked');
    const { out } = this.parts;
    if (!this.answers.midMessage) {
      const fields = { ...refusalFields(reason, 'FATAL'), C: ADMIN_SHUTDOWN };
      out.reply(encodeBackend({ type: 'error', fields }));
    }
    out.close({ do: 'close', why: reason.why, code: 'IDENTITY_REVOKED' });
  }

  drain(): void {
    this.draining = true;
    this.drainIfIdle();
  }

  /** Whether more bytes of the client are of use now. */
  wantsClientBytes(): boolean {
    const { input, context } = this.parts;
    return !this.gate.closed || input.held_bytes <= context.limits.held_bytes_max;
  }

  // ── the client's messages

  private pump(): void {
    const { input, out } = this.parts;
    while (!this.gate.closed && !out.closed) {
      const frame = input.next();
      if (frame === null) break;
      this.message(frame);
    }
    // While people are asked, only a client that is leaving is listened to; the rest is kept in order.
    if (this.gate.wait?.for === 'people' && input.park(TERMINATE)) this.clientClosed();
    this.drainIfIdle();
  }

  /** Answers have come: what waited for them goes on. */
  private proceed(): void {
    const { wait } = this.gate;
    if (wait?.for === 'names' && this.actions.statements.settled && this.actions.portals.settled)
      this.gate.open('names');
    else if (wait?.for === 'answers' && this.answers.ledger.length === 0) this.gate.open('answers');
    else if (wait?.for === 'copy' && (this.copyIn.work !== null || wait.work.reported)) this.gate.open('copy');
    this.pump();
  }

  private message(frame: ClientFrame): void {
    const { tag } = frame;
    if (tag === TERMINATE) {
      this.terminate();
      return;
    }
    if (this.copyIn.takes(frame)) return;
    const boundary = tag === SYNC || tag === FLUSH;
    if (boundary && frame.end - frame.start > HEADER_BYTES) throw notEmpty(tag);
    if (this.sender.dropping) {
      this.gathering.drop();
      if (tag === SYNC) this.sender.sync(frame);
      return;
    }
    if (boundary) {
      this.boundary(frame);
      return;
    }
    const message = decodeFrontend(tag, clientBody(frame), this.parts.context.limits);
    switch (message.type) {
      case 'query':
      case 'function-call':
        this.gathering.file(() => this.deciding.decide(frame, message));
        return;
      case 'parse':
      case 'bind':
        this.deciding.decide(frame, message);
        return;
      case 'describe':
        this.describe(frame, message.what, message.name);
        return;
      case 'execute':
        this.execute(frame, message.portal, message.rowsMax);
        return;
      case 'close':
        this.close(frame, message.what, message.name);
        return;
      default:
        throw new GatewayError('WIRE_OUT_OF_ORDER', `a ${message.type} message inside a session`);
    }
  }

  /** Sync and Flush: what was gathered is asked for now, and the boundary follows it. */
  private boundary(frame: ClientFrame): void {
    this.gathering.file(() => {
      if (frame.tag === SYNC) this.sender.sync(frame);
      else if (!this.sender.dropping) this.sender.flush(frame);
    });
  }

  private describe(frame: ClientFrame, what: 'statement' | 'portal', name: string): void {
    const { actions, sender, gathering } = this;
    const found =
      what === 'statement' ? actions.statements.find(name, sender.segment) : actions.portals.find(name, sender.segment);
    // A refused Query has dropped the unnamed statement, although the target has not heard of it.
    if (what === 'statement' && name === '' && found === null) {
      this.deciding.refuseExtended(missing('26000', UNNAMED_STATEMENT));
      return;
    }
    // Of a name nobody judged only the description comes back; the server knows whether there is one.
    if (found === null || found === UNSETTLED) {
      gathering.later(() => sender.describe(frame, what, null, null));
      return;
    }
    gathering.later(() =>
      'prepared' in found ? sender.describe(frame, what, null, found) : sender.describe(frame, what, found, null),
    );
  }

  private execute(frame: ClientFrame, name: string, rowsMax: number): void {
    const portal = this.actions.portals.find(name, this.sender.segment);
    if (portal === UNSETTLED) {
      this.deciding.waitForNames(() => this.execute(frame, name, rowsMax));
      return;
    }
    // A cursor that SQL or a function has opened is a portal too: it is fetched from by FETCH, which is judged.
    if (portal === null) {
      this.deciding.refuseExtended(missing('34000', `portal "${name}"`));
      return;
    }
    if (this.gathering.batch !== null && isParticular(portal.prepared.statement)) {
      this.gathering.file(() => this.executeNow(frame, portal, rowsMax));
      return;
    }
    this.gathering.later(() => this.executeNow(frame, portal, rowsMax));
  }

  private executeNow(frame: ClientFrame, portal: Portal, rowsMax: number): void {
    const { work } = portal;
    if (work === null || this.sender.dropping) return;
    this.presenter.planUndescribed(portal);
    this.sender.execute(frame, portal, rowsMax);
    if (!isParticular(work.statement)) return;
    this.sender.flushOurselves();
    if (takesData(work.statement)) this.gate.close({ for: 'copy', work, resume: NOTHING_MORE });
    else this.gate.close({ for: 'answers', resume: NOTHING_MORE });
  }

  private close(frame: ClientFrame, what: 'statement' | 'portal', name: string): void {
    const { actions, sender } = this;
    const table = what === 'statement' ? actions.statements : actions.portals;
    const proposal = table.propose(name, null, sender.segment);
    this.gathering.later(
      () => sender.close(frame, proposal),
      () => proposal.settle(false),
    );
  }

  /** The server would answer what came before first, and so is it recorded. */
  private terminate(): void {
    const { out } = this.parts;
    if (this.answers.ledger.length > 0 && this.copyIn.work === null) {
      this.sender.flushOurselves();
      this.gate.close({ for: 'answers', resume: () => this.terminate() });
      return;
    }
    if (!this.copyIn.cut) out.relay(encodeFrontend({ type: 'terminate' }));
    out.close({ do: 'close', why: 'the client ended the session', code: null });
  }

  // ── what the answers say

  guarded(): boolean {
    return this.sender.guarded;
  }

  readyForQuery(status: TransactionStatus): void {
    const { sender } = this;
    sender.readyForQuery(status);
    if (status !== 'I') return;
    this.state.transactionEnded();
    // Every session has to know before this client is told that it is done (the connection holds its answer back).
    if (this.ddl) this.parts.out.push({ do: 'look-up', what: 'changed' });
    this.ddl = false;
    if (this.answers.ledger.length > 0) return;
    sender.guarded = false;
    this.actions.portals.clear();
  }

  finished(work: Work): void {
    const { statement } = work;
    this.actions.settle(work);
    if (statement.changesCatalogue && work.error === null) this.ddl = true;
    if (work.error === null && statement.parts.some((part) => part.node === 'listen')) this.listening = true;
  }

  failed(work: Work): void {
    if (this.copyIn.work === work) this.copyIn.end();
  }

  cutOff(): void {
    if (!this.deciding.cancelling) this.cancelUpstream();
  }

  copyInStarted(work: Work): void {
    this.copyIn.begin(work);
  }

  parameterStatus(name: string, value: string): boolean {
    return this.presenter.parameterStatus(name, value, this.sender.guarded);
  }

  /** What others notify of may hold what is masked here. */
  notification(): boolean {
    return this.listening && !this.sender.everGuarded;
  }

  // ── ends

  private cancelUpstream(): void {
    this.deciding.cancelling = true;
    this.parts.out.push({ do: 'cancel-upstream', bytes: this.parts.cancelBytes, tlsRequest: TLS_REQUEST });
  }

  private sayNotice(): void {
    if (this.notice === null || this.answers.midMessage) return;
    this.parts.out.reply(this.notice);
    this.notice = null;
  }

  private drainIfIdle(): void {
    if (!this.draining || this.gate.closed || this.gathering.batch !== null || !this.sender.nothingOpen) return;
    this.end('GATEWAY_STOPPING', 'terminating connection: the gateway is stopping', ADMIN_SHUTDOWN);
  }

  private end(code: 'TARGET_CLOSED' | 'GATEWAY_STOPPING', why: string, sqlState: string): void {
    const { out } = this.parts;
    const fields = { S: 'FATAL', V: 'FATAL', C: sqlState, M: why };
    if (!this.answers.midMessage) out.reply(encodeBackend({ type: 'error', fields }));
    out.close({ do: 'close', why, code });
  }
}

function notEmpty(tag: number): GatewayError {
  return new GatewayError('WIRE_MALFORMED', `message 0x${tag.toString(16)} has a body, and should not`);
}

const NOTHING_MORE = () => {};
const TLS_REQUEST = encodeStartup({ type: 'ssl-request' });
const NAME_BYTES = 8;
const ADMIN_SHUTDOWN = '57P01';
const CONNECTION_FAILURE = '08006';
