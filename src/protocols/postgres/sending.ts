import type { Clearance, Obligation, Verdict } from '../../core/verdict.ts';
import type { Statement } from '../sql/statement.ts';
import { encodeBackend } from './codec-backend.ts';
import { encodeFrontend } from './codec-frontend.ts';
import type { ClientFrame } from './input.ts';
import { expect, type Ledger } from './ledger.ts';
import type { TransactionStatus } from './messages.ts';
import type { Proposal } from './names.ts';
import type { Outbox } from './outbox.ts';
import { bindWithoutParameters, type SessionState, STATE_ANSWERS, stateQuery } from './state.ts';
import { newPortal, newPrepared, type Portal, type Prepared, Work } from './work.ts';

export type Cleared = Extract<Verdict, { outcome: 'forward' }>;

/**
 * Everything that goes to the target goes through here, so that the ledger knows of it: the client's messages once they are
 * cleared, the gateway's own, and in place of a refused message one that must fail and carries none of its bytes.
 */
export class Sender {
  /** What the last ReadyForQuery said. */
  status: TransactionStatus = 'I';
  /**
   * Extended messages were sent that no Sync has closed. A Query closes them only if it is not skipped, which is known once
   * it is answered.
   */
  unsynced = false;
  /**
   * After a refused extended message the client's messages are dropped up to a Sync. `alone`: the target knows nothing of
   * it, and the gateway answers that Sync too.
   */
  skipping: 'alone' | 'with-target' | null = null;
  /** Counts the stretches between Syncs. */
  segment = 0;
  /** A BEGIN is on its way. */
  begun = false;
  /** Masks apply to something in the open transaction: what the target says of its end is guarded too. */
  guarded = false;
  /** Masks have applied to something in this session. */
  everGuarded = false;
  private readonly ledger: Ledger;
  private readonly out: Outbox;
  private readonly state: SessionState;
  /** A name that nobody can guess: of our own statement, and of the one that never exists. */
  private readonly name: string;

  constructor(ledger: Ledger, out: Outbox, state: SessionState, secret: Buffer) {
    this.ledger = ledger;
    this.out = out;
    this.state = state;
    this.name = `sallyport_${secret.toString('hex')}`;
  }

  /** The target has nothing open and nothing to answer: a refusal needs not trouble it. */
  get nothingOpen(): boolean {
    return this.status === 'I' && this.ledger.length === 0 && !this.unsynced && !this.begun;
  }

  get inTransaction(): boolean {
    return this.status !== 'I' || this.begun;
  }

  /** Messages are being dropped, by us or by the target. */
  get dropping(): boolean {
    return this.skipping !== null || this.ledger.skipping;
  }

  /** The target has answered everything up to here. */
  readyForQuery(status: TransactionStatus): void {
    this.status = status;
    this.begun = false;
    if (this.ledger.length === 0) this.unsynced = false;
  }

  // ── the client's, cleared

  query(frame: ClientFrame, text: Buffer, statement: Statement, verdict: Cleared, proposal: Proposal | null): Work {
    const work = this.work('query', text, statement, verdict);
    const parts = statement.parts;
    if (work.rows_max !== -1 && parts.length === 1 && parts[0]?.node === 'select') {
      this.queryByPortal(text, work, verdict.clearance, proposal);
    } else {
      this.out.forward(verdict.clearance, frame.buffer, frame.start, frame.end);
      this.ledger.push(expect('query', { work, proposal, rows_max: work.rows_max }));
    }
    return work;
  }

  functionCall(frame: ClientFrame, text: Buffer, statement: Statement, verdict: Cleared): Work {
    const work = this.work('function-call', text, statement, verdict);
    this.out.forward(verdict.clearance, frame.buffer, frame.start, frame.end);
    this.ledger.push(expect('function-call', { work }));
    return work;
  }

  parse(frame: ClientFrame, prepared: Prepared, proposal: Proposal, clearance: Clearance): void {
    this.out.forward(clearance, frame.buffer, frame.start, frame.end);
    this.ledger.push(expect('parse', { prepared, proposal }));
    this.unsynced = true;
  }

  bind(frame: ClientFrame, portal: Portal, proposal: Proposal, statement: Statement, verdict: Cleared): void {
    const work = this.work('bind', portal.prepared.text, statement, verdict);
    portal.work = work;
    portal.rows_left = work.rows_max;
    this.out.forward(verdict.clearance, frame.buffer, frame.start, frame.end);
    this.ledger.push(expect('bind', { work, portal, proposal }));
    this.unsynced = true;
  }

  describe(frame: ClientFrame, what: 'statement' | 'portal', prepared: Prepared | null, portal: Portal | null): void {
    if (portal !== null) portal.described = true;
    this.out.relay(frame.buffer, frame.start, frame.end);
    this.ledger.push(expect(what === 'statement' ? 'describe-statement' : 'describe-portal', { prepared, portal }));
    this.unsynced = true;
  }

  /** Spends what Bind's clearance allows. One row more than may be shown is asked for, to know whether there is one. */
  execute(frame: ClientFrame, portal: Portal, rowsMax: number): void {
    if (portal.plan === null && !portal.described) this.describeOurselves(portal);
    const limited = portal.rows_left !== -1 && (rowsMax <= 0 || rowsMax > portal.rows_left);
    if (limited) {
      this.out.relay(encodeFrontend({ type: 'execute', portal: portal.name, rowsMax: portal.rows_left + 1 }));
    } else {
      this.out.relay(frame.buffer, frame.start, frame.end);
    }
    const rows_max = limited ? portal.rows_left : -1;
    this.ledger.push(expect('execute', { work: portal.work, portal, rows_max }));
    this.unsynced = true;
  }

  close(frame: ClientFrame, proposal: Proposal): void {
    this.out.relay(frame.buffer, frame.start, frame.end);
    this.ledger.push(expect('close', { proposal }));
    this.unsynced = true;
  }

  flush(frame: ClientFrame): void {
    this.out.relay(frame.buffer, frame.start, frame.end);
  }

  sync(frame: ClientFrame): void {
    this.unsynced = false;
    this.segment += 1;
    if (this.skipping === 'alone') {
      this.out.reply(encodeBackend({ type: 'ready-for-query', status: this.status }));
    } else {
      this.out.relay(frame.buffer, frame.start, frame.end);
      this.ledger.push(SYNC);
    }
    this.skipping = null;
  }

  // ── refusals, in place

  /** Of a message that is answered with ReadyForQuery: Query, FunctionCall. */
  refuseSimple(error: Buffer, proposal: Proposal | null): void {
    if (this.nothingOpen) {
      proposal?.settle(true);
      this.out.reply(error);
      this.out.reply(encodeBackend({ type: 'ready-for-query', status: 'I' }));
      return;
    }
    this.out.relay(NEVER_PARSES);
    this.ledger.push(expect('query', { refusal: error, proposal }));
  }

  /** Of an extended message: what follows is dropped up to a Sync. `proposal`: what its failure does to a name. */
  refuseExtended(error: Buffer, proposal: Proposal | null = null): void {
    if (this.nothingOpen) {
      this.out.reply(error);
      proposal?.settle(true);
      this.skipping = 'alone';
      return;
    }
    this.out.relay(encodeFrontend({ type: 'describe', what: 'statement', name: this.name }));
    this.ledger.push(expect('describe-statement', { refusal: error, proposal }));
    this.unsynced = true;
    this.skipping = 'with-target';
  }

  // ── the gateway's own

  /** Whether the session's state can be asked without disturbing a pipeline. */
  get mayAsk(): boolean {
    return !this.unsynced && this.skipping === null && !this.ledger.skipping && this.status !== 'E';
  }

  askState(): void {
    this.state.asked = true;
    this.out.relay(stateQuery(this.name));
    for (const answers of STATE_ANSWERS) {
      // Each of them would tell of a failure; the row comes with one of them, the end with the last.
      const listener = answers === 'execute' ? this.state : null;
      this.ledger.push(expect(answers, { owner: 'ours', listener }));
    }
  }

  /** Makes the target send what it has, so that an answer can be waited for. */
  flushOurselves(): void {
    if (this.unsynced) this.out.relay(FLUSH);
  }

  /** Shows the target that somebody is there. Only between pipelines: a Sync inside one would end it. */
  keepAlive(): void {
    if (this.unsynced || this.ledger.length > 0 || this.skipping !== null) return;
    this.out.relay(SYNC_BYTES);
    this.ledger.push(OUR_SYNC);
  }

  private describeOurselves(portal: Portal): void {
    portal.described = true;
    this.out.relay(encodeFrontend({ type: 'describe', what: 'portal', name: portal.name }));
    // If it fails, so would the Execute that it comes before, and now that is skipped: the error is the client's.
    this.ledger.push(expect('describe-portal', { owner: 'quiet', portal }));
  }

  /**
   * One SELECT with a row limit: the same by a statement and portal of the gateway's own, since only an Execute can be told
   * to stop without an error.
   */
  private queryByPortal(text: Buffer, work: Work, clearance: Clearance, proposal: Proposal | null): void {
    const { name } = this;
    const bytes = Buffer.concat([
      encodeFrontend({ type: 'close', what: 'statement', name }),
      encodeFrontend({ type: 'parse', statement: name, text, parameterTypes: [] }),
      bindWithoutParameters(name),
      encodeFrontend({ type: 'describe', what: 'portal', name }),
      encodeFrontend({ type: 'execute', portal: name, rowsMax: work.rows_max + 1 }),
      encodeFrontend({ type: 'close', what: 'portal', name }),
      encodeFrontend({ type: 'close', what: 'statement', name }),
      SYNC_BYTES,
    ]);
    const prepared = newPrepared(name, text, [], work.statement, -1);
    const portal: Portal = { ...newPortal(name, prepared, []), work, described: true, rows_left: work.rows_max };
    this.out.forward(clearance, bytes);
    this.ledger.push(expect('close', { owner: 'quiet', work, proposal }));
    this.ledger.push(expect('parse', { owner: 'quiet', work }));
    this.ledger.push(expect('bind', { owner: 'quiet', work }));
    this.ledger.push(expect('describe-portal', { work, portal }));
    this.ledger.push(expect('execute', { work, portal, rows_max: work.rows_max }));
    this.ledger.push(expect('close', { owner: 'quiet' }));
    this.ledger.push(expect('close', { owner: 'quiet' }));
    this.ledger.push(SYNC);
  }

  private work(kind: Work['kind'], text: Buffer, statement: Statement, verdict: Cleared): Work {
    const obligations: readonly Obligation[] = verdict.observed === null ? verdict.obligations : NO_OBLIGATIONS;
    const work = new Work(kind, verdict.clearance.entry, text, statement, obligations);
    if (work.guarded) this.guarded = this.everGuarded = true;
    // What masks forbid to tell at the end of a transaction is forbidden for its other statements too.
    else work.guarded = this.guarded;
    if (statement.parts.some((part) => part.transaction === 'begin')) this.begun = true;
    if (statement.changesState) this.state.forget(this.inTransaction);
    if (statement.changesCatalogue) this.state.madeObjects = true;
    return work;
  }
}

const NO_OBLIGATIONS: readonly Obligation[] = [];
const SYNC = expect('sync');
const OUR_SYNC = expect('sync', { owner: 'ours' });
const SYNC_BYTES = encodeFrontend({ type: 'sync' });
const FLUSH = encodeFrontend({ type: 'flush' });
/** No text that begins so was ever a statement. */
const NEVER_PARSES = encodeFrontend({ type: 'query', text: Buffer.from(')') });
