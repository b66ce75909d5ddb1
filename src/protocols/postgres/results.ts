import { GatewayError } from '../../core/errors.ts';
import type { Limits } from '../../core/limits.ts';
import type { AnswersHost } from './answers-host.ts';
import { decodeBackend, encodeBackend } from './codec-backend.ts';
import { backendLimits, type FrameLimits, FrameReader, frameBody, tags } from './frames.ts';
import { withoutTexts } from './guarded.ts';
import { type Expectation, flowingOf, Ledger, planOf } from './ledger.ts';
import { cutOffNotice, TOO_MANY_ROWS, tooManyRowsError } from './limit-rows.ts';
import type { BackendMessage, ErrorFields } from './messages.ts';
import type { Outbox } from './outbox.ts';
import { RowWriter } from './rows.ts';
import { commandTag, readyStatus } from './short-messages.ts';
import { Showing } from './showing.ts';
import { BACKEND, COPY_DATA, COPY_DONE, DATA_ROW } from './tags.ts';
import { type Portal, SKIPPED, type Work } from './work.ts';

/**
 * Walks over what the target sends: headers only, wherever nothing has to be looked into. What passes is passed as slices
 * of the bytes that came; what is the gateway's own is left out; what is masked is written anew.
 */
export class Answers {
  readonly ledger = new Ledger();
  private readonly reader: FrameReader;
  private readonly whole: FrameLimits;
  private readonly streamed: FrameLimits;
  private readonly rows = new RowWriter();
  private readonly host: AnswersHost;
  private readonly showing: Showing;
  /** The action whose rows pass as they come: the hot path of a bulk answer. */
  private flowing: Work | null = null;
  private copying = false;
  private rowsReady = false;

  constructor(host: AnswersHost, limits: Limits, out: Outbox) {
    this.host = host;
    this.showing = new Showing(out, limits.result_bytes_recorded_max);
    this.whole = backendLimits(limits);
    this.streamed = Uint32Array.from(this.whole);
    for (const tag of STREAMED) this.streamed[tag] = LENGTH_MAX;
    this.reader = new FrameReader(this.whole, NONE);
  }

  /** A message to the client is cut: nothing of ours may be written. */
  get midMessage(): boolean {
    return this.reader.midFrame;
  }

  /** Throws TARGET_MISBEHAVED, WIRE_*: then nothing more can be believed of the target. */
  read(bytes: Buffer): void {
    const { reader } = this;
    reader.push(bytes);
    this.rowsReady = false;
    this.settle();
    while (reader.next()) {
      if (this.flowing !== null && reader.tag === DATA_ROW) {
        if (reader.piece === 'whole' || reader.piece === 'first') this.flowing.rows += 1;
        this.showing.show(this.flowing, reader.buffer, reader.start, reader.end);
      } else {
        this.message(bytes.length);
        this.settle();
      }
    }
    this.showing.endChunk();
    reader.keep();
  }

  /** What comes next may be streamed or has to be seen whole, by what is awaited. */
  private settle(): void {
    const head = this.ledger.head;
    const flowing = head !== null && !this.copying ? flowingOf(head) : null;
    if (this.reader.midFrame) return;
    this.flowing = flowing;
    const streams = flowing !== null || this.copying;
    this.reader.limits = streams ? this.streamed : this.whole;
    this.reader.streamTags = streams ? STREAMED : NONE;
  }

  private message(chunk_bytes: number): void {
    const { reader } = this;
    if (this.silenced()) return;
    switch (reader.tag) {
      case DATA_ROW:
        this.row(chunk_bytes);
        break;
      case COPY_DATA:
        this.copyData();
        break;
      case BACKEND.ERROR:
        this.error(this.decode('error').fields);
        break;
      case BACKEND.NOTICE:
        this.notice();
        break;
      case BACKEND.READY:
        this.ready();
        break;
      case BACKEND.PARAMETER_STATUS: {
        const { name, value } = this.decode('parameter-status');
        if (this.host.parameterStatus(name, value)) this.pass();
        break;
      }
      case BACKEND.NOTIFICATION:
        if (this.host.notification()) this.pass();
        break;
      default:
        this.answer();
    }
  }

  /** Messages that answer the head of the ledger and nothing else. */
  private answer(): void {
    const head = this.ledger.head;
    const tag = this.reader.tag;
    if (head === null) throw this.unexpected();
    switch (tag) {
      case BACKEND.PARSE_COMPLETE:
      case BACKEND.BIND_COMPLETE:
      case BACKEND.CLOSE_COMPLETE:
        if (head.answers !== COMPLETES[tag]) throw this.unexpected();
        this.complete(head);
        return;
      case BACKEND.COMMAND_COMPLETE:
      case BACKEND.EMPTY_QUERY:
      case BACKEND.PORTAL_SUSPENDED:
        this.statementDone(head);
        return;
      case BACKEND.ROW_DESCRIPTION:
      case BACKEND.NO_DATA:
        this.described(head, tag === BACKEND.ROW_DESCRIPTION);
        return;
      case BACKEND.PARAMETER_DESCRIPTION:
        if (head.answers !== 'describe-statement') throw this.unexpected();
        this.passUnlessOurs(head);
        return;
      case BACKEND.COPY_IN:
      case BACKEND.COPY_OUT:
        this.copyStarts(head);
        return;
      case COPY_DONE:
        if (!this.copying) throw this.unexpected();
        this.copying = false;
        this.showFrame(head.work);
        return;
      case BACKEND.FUNCTION_RESULT:
        if (head.answers !== 'function-call') throw this.unexpected();
        this.showFrame(head.work);
        return;
      default:
        throw this.unexpected();
    }
  }

  private complete(head: Expectation): void {
    head.proposal?.settle(true);
    this.passUnlessOurs(head);
    this.ledger.advance();
  }

  private statementDone(head: Expectation): void {
    const { work } = head;
    if (head.answers !== 'query' && head.answers !== 'execute') throw this.unexpected();
    if (head.answers === 'query' && this.reader.tag === BACKEND.PORTAL_SUSPENDED) throw this.unexpected();
    if (work !== null) {
      this.showing.endRun();
      if (this.reader.tag === BACKEND.COMMAND_COMPLETE) work.tag = commandTag(this.reader);
      if (this.reader.tag !== BACKEND.PORTAL_SUSPENDED) work.completed += 1;
    }
    if (head.answers === 'query') {
      if (head.owner === 'client') this.showFrame(work);
      if (work !== null) work.plan = null;
      return;
    }
    if (work !== null && head.portal !== null) this.executed(head.portal, work);
    else this.passUnlessOurs(head);
    head.listener?.done(true);
    this.ledger.advance();
  }

  /** An Execute is over: its rows are counted, cut where a rule says so, and its entry is written. */
  private executed(portal: Portal, work: Work): void {
    if (portal.rows_left !== -1) portal.rows_left = Math.max(0, portal.rows_left - work.rows);
    if (work.cut) {
      work.cut = false;
      work.tag = `SELECT ${work.rows}`;
      const notice = encodeBackend({ type: 'notice', fields: cutOffNotice(work.rows_max) });
      const complete = encodeBackend({ type: 'command-complete', tag: work.tag });
      this.showing.show(work, Buffer.concat([notice, complete]));
      work.completed += 1;
    } else {
      this.showFrame(work);
    }
    this.showing.report(work);
    this.host.finished(work);
  }

  private described(head: Expectation, hasRows: boolean): void {
    const { work, prepared, portal } = head;
    const body = hasRows ? frameBody(this.reader) : null;
    switch (head.answers) {
      case 'query':
        if (body === null || work === null) throw this.unexpected();
        work.plan = this.host.presenter.describedRows(body, work).plan;
        this.showFrame(work);
        return;
      case 'describe-statement':
        if (prepared !== null) this.host.presenter.statementDescribed(prepared, body);
        break;
      case 'describe-portal':
        if (portal !== null) this.host.presenter.portalDescribed(portal, body);
        break;
      default:
        throw this.unexpected();
    }
    // A simple Query that runs by a portal has no NoData; what it shows belongs to its action.
    if (work === null) this.passUnlessOurs(head);
    else if (hasRows) this.showFrame(work);
    this.ledger.advance();
  }

  private row(chunk_bytes: number): void {
    const { reader } = this;
    const head = this.ledger.head;
    if (head === null || (head.answers !== 'execute' && head.answers !== 'query')) throw this.unexpected();
    if (head.listener !== null) return void head.listener.row(frameBody(reader));
    const { work } = head;
    const plan = planOf(head);
    if (work === null || plan === null) throw this.unexpected();
    if (head.rows_max !== -1 && work.rows >= head.rows_max) return void this.cut(head, work);
    work.rows += 1;
    if (plan.clear) return void this.showFrame(work);
    if (!this.rowsReady) this.rows.begin(chunk_bytes);
    this.rowsReady = true;
    this.rows.write(reader.buffer, reader.start, reader.end, plan);
    work.masked += this.rows.masked;
    this.showing.show(work, this.rows.buffer, this.rows.start, this.rows.end);
  }

  /** An Execute asked for one row more than it shows and ends by itself; a simple Query has to be stopped. */
  private cut(head: Expectation, work: Work): void {
    work.cut = true;
    if (head.answers === 'execute' && !this.copying) return;
    // Inside a pipeline a copy can be neither cut nor failed in its place.
    if (head.answers === 'execute')
      throw new GatewayError('POLICY_DENIED', `a COPY of more than ${work.rows_max} rows`);
    work.error = TOO_MANY_ROWS;
    this.showing.show(work, encodeBackend({ type: 'error', fields: tooManyRowsError(work.rows_max) }));
    this.host.cutOff();
  }

  /** A simple Query that was cut off has had its error: nothing more of it is shown before ReadyForQuery. */
  private silenced(): boolean {
    const head = this.ledger.head;
    if (head === null || head.answers !== 'query' || head.work?.cut !== true) return false;
    return !ALWAYS_SEEN.has(this.reader.tag);
  }

  private copyStarts(head: Expectation): void {
    const { work } = head;
    if (work === null || (head.answers !== 'query' && head.answers !== 'execute')) throw this.unexpected();
    if (this.reader.tag === BACKEND.COPY_IN) {
      this.host.copyInStarted(work);
    } else {
      // The classifier refuses a COPY of what is masked: its rows have no origins to mask them by.
      if (work.showsMasked) throw misbehaved('copies out what should have been refused');
      this.copying = true;
    }
    this.showFrame(work);
  }

  private copyData(): void {
    const head = this.ledger.head;
    const work = head?.work ?? null;
    if (!this.copying || head === null || work === null) throw this.unexpected();
    if (this.reader.piece === 'whole' || this.reader.piece === 'first') {
      if (work.rows_max !== -1 && work.rows >= work.rows_max) return void this.cut(head, work);
      work.rows += 1;
    }
    this.showFrame(work);
  }

  private error(fields: ErrorFields): void {
    const head = this.ledger.head;
    const fatal = fields.V === 'FATAL' || fields.V === 'PANIC';
    this.copying = false;
    const work = head?.work ?? null;
    if (head?.answers === 'query' && work?.cut === true && !fatal) return;
    const guarded = work?.guarded === true || this.host.guarded();
    if (work !== null) {
      work.error = fields.C ?? 'XX000';
      work.plan = null;
      this.host.failed(work);
    }
    if (head?.refusal != null) head.proposal?.settle(true);
    if (head?.refusal != null && !fatal) this.showing.show(null, head.refusal);
    else if (head?.owner === 'ours' && !fatal) this.showing.endRun();
    else if (guarded) this.showing.show(work, encodeBackend({ type: 'error', fields: withoutTexts(fields) }));
    else this.showFrame(work);
    if (head === null) return;
    // After an error in one of these the server sends ReadyForQuery of its own accord (manual, "Message Flow").
    if (head.answers === 'query' || head.answers === 'function-call' || head.answers === 'sync') return;
    this.failed(head);
  }

  private failed(head: Expectation): void {
    if (head.work !== null) this.showing.report(head.work);
    head.listener?.done(false);
    for (const dropped of this.ledger.failToSync()) {
      if (dropped.work === null || dropped.work.reported) continue;
      dropped.work.error ??= SKIPPED;
      this.showing.report(dropped.work);
    }
  }

  private notice(): void {
    const head = this.ledger.head;
    if (head !== null && head.owner === 'ours') return;
    const work = head?.work ?? null;
    if (work?.guarded !== true && !this.host.guarded()) {
      this.pass();
      return;
    }
    this.showing.show(null, encodeBackend({ type: 'notice', fields: withoutTexts(this.decode('notice').fields) }));
  }

  private ready(): void {
    const head = this.ledger.head;
    const status = readyStatus(this.reader);
    if (head === null) throw this.unexpected();
    const { answers, work } = head;
    if (answers !== 'query' && answers !== 'function-call' && answers !== 'sync') throw this.unexpected();
    if (work !== null) {
      this.showing.report(work);
      this.host.finished(work);
    }
    head.proposal?.settle(true);
    if (head.owner === 'client') this.pass();
    if (answers === 'query') head.listener?.done(true);
    this.ledger.advance();
    this.host.readyForQuery(status);
  }

  /** The target is gone: whatever was at it has no result that is known. */
  abandon(error: string): void {
    for (const { work } of this.ledger.abandon()) {
      if (work === null || work.reported) continue;
      work.error ??= error;
      this.showing.report(work);
    }
  }

  // ── what the client sees

  private pass(): void {
    this.showFrame(null);
  }

  private passUnlessOurs(head: Expectation): void {
    if (head.owner === 'client') this.pass();
  }

  private showFrame(work: Work | null): void {
    this.showing.show(work, this.reader.buffer, this.reader.start, this.reader.end);
  }

  private decode<Type extends BackendMessage['type']>(type: Type): Extract<BackendMessage, { type: Type }> {
    const message = decodeBackend(this.reader.tag, frameBody(this.reader));
    if (message.type !== type) throw this.unexpected();
    // The codec's tag and type have just been compared.
    return message as Extract<BackendMessage, { type: Type }>;
  }

  private unexpected(): GatewayError {
    const awaited = this.ledger.head?.answers ?? 'nothing';
    return misbehaved(`sends ${String.fromCharCode(this.reader.tag)} where the answer to ${awaited} is due`);
  }
}

function misbehaved(what: string): GatewayError {
  return new GatewayError('TARGET_MISBEHAVED', `the target ${what}`);
}

const NONE: ReadonlySet<number> = new Set();
const STREAMED = tags('Dd');
const ALWAYS_SEEN = tags('ZSAE');
const LENGTH_MAX = 0x7fff_ffff;

const COMPLETES: Readonly<Record<number, Expectation['answers']>> = {
  [BACKEND.PARSE_COMPLETE]: 'parse',
  [BACKEND.BIND_COMPLETE]: 'bind',
  [BACKEND.CLOSE_COMPLETE]: 'close',
};
