import { isUtf8 } from 'node:buffer';
import type { ActionDraft, Parameter } from '../../core/action.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { Limits } from '../../core/limits.ts';
import type { Reason } from '../../core/verdict.ts';
import type { Catalogue } from '../sql/catalogue.ts';
import { functionCallStatement } from '../sql/function-call.ts';
import type { Classifier, SqlContext, Statement, StatementPart } from '../sql/statement.ts';
import type { FrontendMessage } from './messages.ts';
import { NameTable } from './names.ts';
import type { SessionState } from './state.ts';
import { newPrepared, type Portal, type Prepared, type Work } from './work.ts';

type Bind = Extract<FrontendMessage, { type: 'bind' }>;
type FunctionCall = Extract<FrontendMessage, { type: 'function-call' }>;

/**
 * What the client's texts are, against what names mean at this moment, and the drafts that are decided: a simple Query, a
 * Bind, a FunctionCall, and a Parse, which is judged so that what may never run is refused early.
 */
export class Actions implements SqlContext {
  readonly statements = new NameTable<Prepared>();
  readonly portals = new NameTable<Portal>();
  private readonly cursors = new Map<string, Statement>();
  private readonly classifier: Classifier;
  private readonly limits: Limits;
  private readonly state: SessionState;
  private snapshot: Catalogue | null = null;
  private depth = 0;

  constructor(classifier: Classifier, limits: Limits, state: SessionState) {
    this.classifier = classifier;
    this.limits = limits;
    this.state = state;
  }

  // ── what texts are classified against

  get catalogue(): Catalogue {
    if (this.snapshot === null) throw new Error('a text was looked at before there was a catalogue');
    return this.snapshot;
  }

  get hasCatalogue(): boolean {
    return this.snapshot !== null;
  }

  /** True: it is another than before, and names may mean something else. */
  renew(catalogue: Catalogue | null): boolean {
    if (catalogue === this.snapshot) return false;
    this.snapshot = catalogue;
    this.state.version += 1;
    return true;
  }

  get searchPath(): readonly string[] | null {
    return this.state.current?.searchPath ?? null;
  }

  prepared(name: string): Statement | null {
    const prepared = this.statements.known(name);
    // A protocol statement may say EXECUTE, even of itself: the chain ends somewhere.
    if (prepared === null || this.depth >= CHAIN_MAX) return null;
    this.depth += 1;
    try {
      return this.refreshed(prepared);
    } finally {
      this.depth -= 1;
    }
  }

  cursor(name: string): Statement | null {
    return this.cursors.get(name) ?? this.portals.known(name)?.work?.statement ?? null;
  }

  // ── what texts are

  /** Why a text is not even looked at, or `null`. */
  unreadable(text: Buffer): Unjudged | null {
    const limit = this.limits.statement_bytes_max;
    if (text.length > limit) {
      return reason('STATEMENT_TOO_LONG', `a statement of ${text.length} bytes, limit ${limit}`, 'send it in parts');
    }
    if (!isUtf8(text))
      return reason('WIRE_ENCODING', 'invalid byte sequence for encoding "UTF8"', 'send the text as UTF-8');
    const { current } = this.state;
    // Our parser reads strings as the standard says; with the setting off the server would see other strings in this text.
    if (current !== null && !current.standardConformingStrings && !RESTORES_STRINGS.test(text.toString('latin1'))) {
      return reason(
        'POLICY_OPAQUE',
        'standard_conforming_strings is off',
        'SET standard_conforming_strings = on first',
      );
    }
    return null;
  }

  statement(text: Buffer): Statement {
    return this.classifier.statement(text, this);
  }

  /** The statement as it is now: names may have come to mean something else since it was prepared. */
  refreshed(prepared: Prepared): Statement {
    if (prepared.meaning !== this.state.version || refersToNames(prepared.statement)) {
      const whole = this.statement(prepared.text);
      const made = prepared.sql ? whole.parts.find((part) => part.prepares === prepared.name)?.inner : null;
      prepared.statement = made ?? whole;
      prepared.meaning = this.state.version;
    }
    return prepared.statement;
  }

  // ── drafts

  draft(kind: 'query' | 'parse', text: Buffer, { classification }: Statement): ActionDraft {
    return { classification, kind, text, parameters: NO_PARAMETERS, state: this.canonicalState };
  }

  bindDraft(prepared: Prepared, { classification }: Statement, bind: Bind): ActionDraft {
    return {
      classification,
      kind: 'bind',
      text: prepared.text,
      parameters: parametersOf(prepared.parameterTypes, bind.parameterFormats, bind.parameters),
      state: this.canonicalState,
    };
  }

  functionDraft(call: FunctionCall): ActionDraft & { readonly statement: Statement } {
    const known = this.catalogue.functionByOid(call.functionOid);
    const statement = functionCallStatement(this.catalogue, call.functionOid);
    const name = known === null ? '' : ` ${known.schema}.${known.name}`;
    return {
      statement,
      classification: statement.classification,
      kind: 'function-call',
      text: Buffer.from(`function call ${call.functionOid}${name}`),
      parameters: parametersOf([], call.argumentFormats, call.arguments),
      state: this.canonicalState,
    };
  }

  private get canonicalState(): string {
    return this.state.current?.canonical ?? 'unknown';
  }

  // ── what texts leave behind

  /** Names that the completed statements of a text have made or dropped. Once nothing else is on its way. */
  settle(work: Work): void {
    const { parts } = work.statement;
    for (let index = 0; index < work.completed && index < parts.length; index++) {
      const part = parts[index];
      if (part !== undefined) this.settlePart(part, work.text);
    }
  }

  private settlePart(part: StatementPart, text: Buffer): void {
    if (part.prepares !== null && part.inner !== null) {
      const { prepares: name, inner: statement } = part;
      const meaning = this.state.version;
      this.statements.set(name, { ...newPrepared(name, text, [], statement, meaning), sql: true });
    }
    if (part.deallocates === null) this.statements.clear();
    else if (part.deallocates !== undefined) this.statements.set(part.deallocates, null);
    if (part.declares !== null && part.inner !== null) this.openCursor(part.declares, part.inner);
    if (part.closes === null) this.cursors.clear();
    else if (part.closes !== undefined) this.cursors.delete(part.closes);
  }

  private openCursor(name: string, statement: Statement): void {
    this.cursors.delete(name);
    this.cursors.set(name, fetched(statement));
    // The oldest is forgotten: fetching from it is then fetching from something unknown, which is refused.
    const oldest = this.cursors.size > this.limits.portals_max ? this.cursors.keys().next().value : undefined;
    if (oldest !== undefined) this.cursors.delete(oldest);
  }
}

/** What a FETCH puts out: anything that the cursor's query looks at may be in it. */
function fetched(statement: Statement): Statement {
  const computedFrom = new Set(statement.computedFrom);
  for (const { use, column } of statement.classification.uses) if (use !== 'mention') computedFrom.add(column.id);
  return { ...statement, computedFrom };
}

/** Whether a text uses what other texts have named, so that what it is changes with them. */
export function refersToNames(statement: Statement): boolean {
  return statement.parts.some((part) => part.executes !== null || part.fetches !== null);
}

/** Whether later texts may use what this one names, so that its end has to be awaited. */
export function makesNames(statement: Statement): boolean {
  return statement.parts.some(
    (part) =>
      part.prepares !== null || part.declares !== null || part.deallocates !== undefined || part.closes !== undefined,
  );
}

/** A COPY FROM STDIN: its data comes after the target has agreed to take it. */
export function takesData(statement: Statement): boolean {
  return statement.parts.some((part) => part.copy === 'in');
}

/** Its end has to be awaited before anything else is sent. */
export function isParticular(statement: Statement): boolean {
  return takesData(statement) || makesNames(statement);
}

/** Why a text was not judged. */
export type Unjudged = Reason & { readonly code: ErrorCode };

export function reason(code: ErrorCode, why: string, hint: string): Unjudged {
  return { code, rule: null, why, hint, cure: null, retry: 'after-edit', request: null };
}

function parametersOf(
  types: readonly number[],
  formats: readonly number[],
  values: readonly (Buffer | null)[],
): readonly Parameter[] {
  if (values.length === 0) return NO_PARAMETERS;
  const parameters = new Array<Parameter>(values.length);
  for (let index = 0; index < values.length; index++) {
    const format = formats.length === 1 ? formats[0] : formats[index];
    parameters[index] = {
      type: String(types[index] ?? 0),
      format: format === 1 ? 'binary' : 'text',
      value: values[index] ?? null,
    };
  }
  return parameters;
}

const CHAIN_MAX = 4;
const NO_PARAMETERS: readonly Parameter[] = [];
const RESTORES_STRINGS =
  /^\s*(set\s+(session\s+)?standard_conforming_strings\s*(=|\sto\s)\s*'?(on|true|1)'?|reset\s+standard_conforming_strings|reset\s+all|rollback|abort)\s*;?\s*$/i;
