import type { ActionDraft } from '../../core/action.ts';
import type { Reason, Verdict } from '../../core/verdict.ts';
import type { Statement } from '../sql/statement.ts';
import { isParticular, makesNames, reason, refersToNames, takesData, type Unjudged } from './actions.ts';
import { encodeBackend } from './codec-backend.ts';
import type { ClientFrame } from './input.ts';
import { type Proposal, UNSETTLED } from './names.ts';
import type { Decided, DecidingParts, Message, Pending } from './pending.ts';
import {
  DATA_FIRST,
  errorBytes,
  missing,
  NO_CATALOGUE,
  skipped,
  tooMany,
  UNMASKABLE,
  UNNAMED_STATEMENT,
} from './reasons.ts';
import type { Cleared } from './sending.ts';
import { newPortal, newPrepared, type Prepared, type Work } from './work.ts';

/** Takes one message at a time from what it says to what becomes of it: sent, asked for, or refused in place. */
export class Deciding {
  /** A cancel request is on its way to the target: what is sent before it has arrived could be hit by it. */
  cancelling = false;
  private catalogueStale = false;
  /** Names that a fresh catalogue did not have either: they are not looked up for every statement that uses them. */
  private readonly absent = new Set<string>();
  private nextKey = 1;
  private readonly parts: DecidingParts;

  constructor(parts: DecidingParts) {
    this.parts = parts;
  }

  decide(frame: ClientFrame, message: Decided): void {
    this.advance({ frame, message, lookedUp: false, stateAsked: false });
  }

  /** Refuses an extended message in its turn; what was gathered before it is asked for first. */
  refuseExtended(error: Buffer, proposal: Proposal | null = null): void {
    const { sender } = this.parts;
    this.parts.gathering.later(
      () => sender.refuseExtended(error, proposal),
      () => proposal?.settle(false),
    );
    this.parts.gathering.file(NOTHING_MORE);
  }

  /** A Parse that fails leaves no unnamed statement behind (tcop/postgres.c, exec_parse_message). */
  private refuseParse(error: Buffer, name: string): void {
    const { actions, sender } = this.parts;
    this.refuseExtended(error, name === '' ? actions.statements.propose('', null, sender.segment) : null);
  }

  private refuseSimple(why: Reason): void {
    this.parts.sender.refuseSimple(errorBytes(why), this.unnamedDropped());
  }

  /** Neither does a Query, whether it fails or not (exec_simple_query), as long as the target does not skip it. */
  private unnamedDropped(): Proposal | null {
    const { actions, sender } = this.parts;
    return actions.statements.has('') ? actions.statements.propose('', null, sender.segment) : null;
  }

  /** What was absent may be there. */
  catalogueRenewed(): void {
    this.absent.clear();
  }

  /** Something that was sent or committed may have changed what names mean. */
  catalogueChanged(): void {
    this.catalogueStale = true;
    this.absent.clear();
  }

  // ── from message to draft

  private advance(pending: Pending): void {
    const { gate } = this.parts;
    const again = () => this.advance(pending);
    if (this.cancelling) {
      gate.close({ for: 'cancel', resume: again });
      return;
    }
    const { message } = pending;
    const prepared = message.type === 'bind' ? this.preparedOf(message.statement, again) : null;
    if (message.type === 'bind' && prepared === null) return;
    if (this.awaitsMeaning(pending, again)) return;
    const why = this.unreadable(message, prepared);
    if (why !== null) {
      this.refuse(pending, why);
      return;
    }
    if (message.type === 'function-call') {
      this.functionCall(pending);
      return;
    }
    const statement = this.statementOf(message, prepared);
    if (refersToNames(statement) && this.awaitsNames(again)) return;
    if (this.hasNewNames(statement, pending)) {
      this.lookUp(pending, again);
      return;
    }
    if (message.type === 'query') this.query(pending, message.text, statement);
    else if (message.type === 'parse') this.parse(pending, message, statement);
    else if (prepared !== null) this.bind(pending, message, prepared, statement);
  }

  /** The statement a Bind names; `null`: it has been dealt with, or waits. */
  private preparedOf(name: string, again: () => void): Prepared | null {
    const { actions, sender } = this.parts;
    const found = actions.statements.find(name, sender.segment);
    if (found === UNSETTLED) {
      this.waitForNames(again);
      return null;
    }
    // The server may have one that we never saw prepared (by a function, say): what nobody judged does not run.
    if (found === null)
      this.refuseExtended(missing('26000', name === '' ? UNNAMED_STATEMENT : `prepared statement "${name}"`));
    return found;
  }

  /** Before a text can be looked at: is it known what names mean? */
  private awaitsMeaning(pending: Pending, again: () => void): boolean {
    const { actions, gate, out, sender, state, ledger } = this.parts;
    if (this.catalogueStale && !pending.lookedUp) {
      if (ledger.length > 0) {
        sender.flushOurselves();
        gate.close({ for: 'answers', resume: again });
        return true;
      }
      this.lookUp(pending, again);
      return true;
    }
    if (state.current === null && !pending.stateAsked && (state.asked || sender.mayAsk)) {
      // Asked once: a failed transaction, or a pipeline, leaves it unknown, and then names are not resolved.
      if (!state.asked) {
        pending.stateAsked = true;
        sender.askState();
      }
      gate.close({ for: 'state', resume: again });
      return true;
    }
    if (actions.hasCatalogue || pending.lookedUp) return false;
    pending.lookedUp = true;
    gate.close({ for: 'catalogue', resume: again });
    out.push({ do: 'look-up', what: 'catalogue' });
    return true;
  }

  private hasNewNames({ unknownNames }: Statement, { lookedUp }: Pending): boolean {
    if (unknownNames.length === 0) return false;
    if (!lookedUp) return unknownNames.some((name) => !this.absent.has(name));
    if (this.absent.size > ABSENT_MAX) this.absent.clear();
    for (const name of unknownNames) this.absent.add(name);
    return false;
  }

  private lookUp(pending: Pending, again: () => void): void {
    pending.lookedUp = true;
    this.catalogueStale = false;
    this.parts.gate.close({ for: 'catalogue', resume: again });
    this.parts.out.push({ do: 'look-up', what: 'names' });
  }

  /** What other texts have named has to be settled before a text that uses it can be understood. */
  private awaitsNames(again: () => void): boolean {
    const { actions } = this.parts;
    if (actions.statements.settled && actions.portals.settled) return false;
    this.waitForNames(again);
    return true;
  }

  /** What is gathered has names of its own to settle: it is asked for first. */
  waitForNames(again: () => void): void {
    if (this.parts.gathering.batch !== null) {
      this.parts.gathering.file(again);
      return;
    }
    this.parts.sender.flushOurselves();
    this.parts.gate.close({ for: 'names', resume: again });
  }

  private unreadable(message: Decided, prepared: Prepared | null): Unjudged | null {
    const { actions } = this.parts;
    if (!actions.hasCatalogue) return NO_CATALOGUE;
    if (message.type === 'function-call') return null;
    return actions.unreadable(message.type === 'bind' ? (prepared?.text ?? NOTHING) : message.text);
  }

  private statementOf(message: Decided, prepared: Prepared | null): Statement {
    const { actions } = this.parts;
    if (prepared !== null) return actions.refreshed(prepared);
    return actions.statement(message.type === 'query' || message.type === 'parse' ? message.text : NOTHING);
  }

  // ── from draft to verdict, and what follows from it

  private query(pending: Pending, text: Buffer, statement: Statement): void {
    const { actions, sender } = this.parts;
    if (statement.justification !== null && statement.parts.length === 1 && !sender.unsynced) {
      this.justify(pending, statement.justification);
      return;
    }
    this.simple(statement, actions.draft('query', text, statement), (verdict) =>
      sender.query(pending.frame, text, statement, verdict, this.unnamedDropped()),
    );
  }

  private functionCall(pending: Pending): void {
    const { actions, sender } = this.parts;
    if (pending.message.type !== 'function-call') throw new Error('a function call that is none');
    const draft = actions.functionDraft(pending.message);
    this.simple(draft.statement, draft, (verdict) => {
      // Its result has no origin to be masked by.
      if (verdict.observed === null && verdict.obligations.some((obligation) => obligation.kind === 'mask'))
        return null;
      return sender.functionCall(pending.frame, toBuffer(draft.text), draft.statement, verdict);
    });
  }

  /** A message that is answered with ReadyForQuery. */
  private simple(statement: Statement, draft: ActionDraft, send: (verdict: Cleared) => Work | null): void {
    const { gathering } = this.parts;
    this.ask(draft, (verdict, key) => {
      if (verdict.outcome === 'ask' && !takesData(statement)) {
        gathering.ask(key, (answer) => this.settleSimple(answer, statement, send), NOTHING_MORE);
        gathering.file(NOTHING_MORE);
      } else {
        this.settleSimple(verdict, statement, send);
      }
    });
  }

  private settleSimple(verdict: Verdict, statement: Statement, send: (verdict: Cleared) => Work | null): void {
    if (verdict.outcome !== 'forward') {
      this.refuseSimple(this.refusalOf(verdict));
      return;
    }
    const work = send(verdict);
    if (work === null) {
      this.refuseSimple(UNMASKABLE);
      return;
    }
    this.noted(statement);
    if (takesData(statement)) this.awaitCopy(work);
    else if (makesNames(statement)) this.awaitAnswers();
  }

  private parse(pending: Pending, message: Message<'parse'>, statement: Statement): void {
    const { actions, sender, state, limits } = this.parts;
    if (actions.statements.size >= limits.statements_max && actions.statements.known(message.statement) === null) {
      this.refuseExtended(errorBytes(tooMany('prepared statements', limits.statements_max)));
      return;
    }
    this.ask(actions.draft('parse', message.text, statement), (verdict) => {
      if (verdict.outcome !== 'forward') {
        this.refuseParse(errorBytes(this.refusalOf(verdict)), message.statement);
        return;
      }
      const { statement: name, text, parameterTypes } = message;
      const prepared = newPrepared(name, text, parameterTypes, statement, state.version);
      const proposal = actions.statements.propose(name, prepared, sender.segment);
      this.parts.gathering.later(
        () => sender.parse(pending.frame, prepared, proposal, verdict.clearance),
        () => proposal.settle(false),
      );
    });
  }

  private bind(pending: Pending, message: Message<'bind'>, prepared: Prepared, statement: Statement): void {
    const { actions, gathering, sender, limits } = this.parts;
    // What has to be waited for by itself does not wait among others.
    if (this.parts.gathering.batch !== null && isParticular(statement)) {
      this.parts.gathering.file(() => this.advance(pending));
      return;
    }
    if (actions.portals.size >= limits.portals_max && actions.portals.known(message.portal) === null) {
      this.refuseExtended(errorBytes(tooMany('portals', limits.portals_max)));
      return;
    }
    this.ask(actions.bindDraft(prepared, statement, message), (verdict, key) => {
      const asked = verdict.outcome === 'ask' && !takesData(statement);
      if (verdict.outcome !== 'forward' && !asked) return this.refuseExtended(errorBytes(this.refusalOf(verdict)));
      const portal = newPortal(message.portal, prepared, message.resultFormats);
      const proposal = actions.portals.propose(message.portal, portal, sender.segment);
      const release = (answer: Verdict) => {
        if (answer.outcome === 'forward') {
          sender.bind(pending.frame, portal, proposal, statement, answer);
          this.noted(statement);
        } else {
          proposal.settle(false);
          sender.refuseExtended(errorBytes(this.refusalOf(answer)));
        }
      };
      const dropped = (answer: Verdict | null) => {
        proposal.settle(false);
        if (answer?.outcome === 'forward') this.parts.out.record(skipped(answer.clearance.entry));
      };
      if (!asked)
        return this.parts.gathering.later(
          () => release(verdict),
          () => dropped(verdict),
        );
      gathering.ask(key, release, dropped);
      if ((gathering.batch?.keys.length ?? 0) >= limits.batch_actions_max) gathering.file(NOTHING_MORE);
    });
  }

  private ask(draft: ActionDraft, resume: (verdict: Verdict, key: number) => void): void {
    const key = this.nextKey;
    this.nextKey += 1;
    this.parts.gate.close({ for: 'verdict', key, resume: (verdict) => resume(verdict, key) });
    this.parts.out.push({ do: 'decide', key, draft });
  }

  /** Refused before anybody is asked: the text cannot be judged. */
  private refuse(pending: Pending, why: Unjudged): void {
    const { type } = pending.message;
    this.parts.out.record({ kind: 'refused-bytes', code: why.code, message: why.why });
    if (type === 'query' || type === 'function-call') this.refuseSimple(why);
    else this.refuseExtended(errorBytes(why));
  }

  private refusalOf(verdict: Exclude<Verdict, { outcome: 'forward' }>): Reason {
    if (verdict.outcome === 'refuse') return verdict.reason;
    this.parts.out.record({ kind: 'refused-bytes', code: 'APPROVAL_UNAVAILABLE', message: DATA_FIRST.why });
    return DATA_FIRST;
  }

  /** `SET sallyport.justification`, which is meant for the gateway. */
  private justify(pending: Pending, justification: string): void {
    const { ledger, limits, out, sender } = this.parts;
    if (ledger.length > 0) {
      this.parts.gate.close({ for: 'answers', resume: () => this.advance(pending) });
      return;
    }
    if (Buffer.byteLength(justification) > limits.justification_bytes_max) {
      this.refuse(
        pending,
        reason('STATEMENT_TOO_LONG', `a justification is at most ${limits.justification_bytes_max} bytes`, ''),
      );
      return;
    }
    out.push({ do: 'justify', justification });
    out.reply(encodeBackend({ type: 'command-complete', tag: 'SET' }));
    out.reply(encodeBackend({ type: 'ready-for-query', status: sender.status }));
  }

  /** What a statement that was sent changes for those after it. */
  private noted(statement: Statement): void {
    if (statement.changesCatalogue) this.catalogueChanged();
    if (statement.justification !== null)
      this.parts.out.push({ do: 'justify', justification: statement.justification });
  }

  private awaitCopy(work: Work): void {
    this.parts.sender.flushOurselves();
    this.parts.gate.close({ for: 'copy', work, resume: () => {} });
  }

  private awaitAnswers(): void {
    this.parts.sender.flushOurselves();
    this.parts.gate.close({ for: 'answers', resume: () => {} });
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const NOTHING = Buffer.alloc(0);
const NOTHING_MORE = () => {};
const ABSENT_MAX = 10_000;
