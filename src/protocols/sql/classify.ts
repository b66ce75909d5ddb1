import { isUtf8 } from 'node:buffer';
import type { Limits } from '../../core/limits.ts';
import { Analysis, assemble } from './analysis.ts';
import type { Catalogue } from './catalogue.ts';
import { Generations } from './generations.ts';
import { literalFree } from './literals.ts';
import { NotUnderstood } from './nodes.ts';
import { parse } from './parse.ts';
import type { Classifier, SqlContext, Statement } from './statement.ts';
import { Tally } from './tally.ts';

export type ClassifierLimits = Pick<Limits, 'statement_bytes_max' | 'statement_nesting_max' | 'classifications_max'>;

/** Understands texts by PostgreSQL's grammar and a catalogue. `loadParser()` must have been awaited. */
export function createClassifier(options: { readonly limits: ClassifierLimits }): Classifier {
  return new CachingClassifier(options.limits);
}

interface Entry {
  readonly statement: Statement;
  /** What it was told about prepared statements and cursors: it holds as long as that is so. */
  readonly dependencies: readonly Dependency[];
}

interface Dependency {
  readonly of: 'prepared' | 'cursor';
  readonly name: string;
  readonly statement: Statement | null;
}

class CachingClassifier implements Classifier {
  private readonly limits: ClassifierLimits;
  private readonly byText: Generations<Entry>;
  private readonly byLiteralFreeText: Generations<Entry>;
  private readonly states = new States();
  /** Where a statement came from, to understand it again when names have come to mean something else. */
  private readonly origins = new WeakMap<Statement, { readonly text: Buffer; readonly part: number | null }>();
  /** What each classification under way was told; one may ask for another. */
  private readonly frames: Dependency[][] = [];

  constructor(limits: ClassifierLimits) {
    this.limits = limits;
    this.byText = new Generations(limits.classifications_max);
    this.byLiteralFreeText = new Generations(limits.classifications_max);
  }

  statement(text: Buffer, context: SqlContext): Statement {
    if (text.length > this.limits.statement_bytes_max) return this.fresh(text, context).statement;
    const state = this.states.number(context);
    const source = text.latin1Slice();
    const key = `${state} ${source}`;
    const known = this.recall(this.byText, key, context);
    if (known !== null) return known;
    const literals = literalFree(source);
    const literalFreeKey = literals === null ? null : `${state} ${literals.text}`;
    const similar = literalFreeKey === null ? null : this.recall(this.byLiteralFreeText, literalFreeKey, context);
    // The bytes that differ lie inside literals; whether the server would take them still has to be seen.
    if (similar !== null && isUtf8(text) && !text.includes(0)) return similar;
    const { statement, dependencies, free } = this.fresh(text, context);
    this.byText.set(key, { statement, dependencies });
    if (literals !== null && literalFreeKey !== null && dependencies.length === 0 && literals.match(free)) {
      this.byLiteralFreeText.set(literalFreeKey, { statement, dependencies });
    }
    return statement;
  }

  private fresh(text: Buffer, context: SqlContext): Entry & { readonly free: ReadonlySet<number> } {
    const dependencies: Dependency[] = [];
    const told = (of: Dependency['of'], name: string): Statement | null => {
      const statement = of === 'prepared' ? context.prepared(name) : context.cursor(name);
      this.note([{ of, name, statement }]);
      return statement;
    };
    const surroundings = {
      context,
      limits: this.limits,
      prepared: (name: string) => this.again(told('prepared', name), context),
      cursor: (name: string) => told('cursor', name),
    };
    // One classification may ask for another (EXECUTE of a protocol statement that is itself an EXECUTE).
    this.frames.push(dependencies);
    try {
      if (this.frames.length > NESTING_MAX) throw new NotUnderstood('prepared statements execute one another');
      const statements = parse(text, this.limits);
      const analysis = new Analysis(text, statements, surroundings);
      analysis.run(statements);
      const statement = assemble(analysis);
      this.noteOrigins(statement, text);
      return { statement, dependencies, free: analysis.tally.freeLiterals };
    } catch (error) {
      // The walkers' own recursion may find the stack short when it is called from deep inside something else.
      if (!(error instanceof NotUnderstood || error instanceof RangeError)) throw error;
      return { statement: opaque(context.catalogue, error.message), dependencies, free: new Set() };
    } finally {
      this.frames.pop();
    }
  }

  /** PostgreSQL plans a prepared statement anew when the search path has changed, so its names are looked up again. */
  private again(statement: Statement | null, context: SqlContext): Statement | null {
    const origin = statement === null ? undefined : this.origins.get(statement);
    if (origin === undefined) return statement;
    const now = this.statement(origin.text, context);
    return origin.part === null ? now : (now.parts[origin.part]?.inner ?? null);
  }

  private noteOrigins(statement: Statement, text: Buffer): void {
    // The buffer belongs to the connection; a copy is kept.
    const copy = Buffer.from(text);
    this.origins.set(statement, { text: copy, part: null });
    statement.parts.forEach((part, position) => {
      if (part.inner !== null && part.prepares !== null) this.origins.set(part.inner, { text: copy, part: position });
    });
  }

  private recall(cache: Generations<Entry>, key: string, context: SqlContext): Statement | null {
    const entry = cache.get(key);
    if (entry === undefined) return null;
    for (const { of, name, statement } of entry.dependencies) {
      if ((of === 'prepared' ? context.prepared(name) : context.cursor(name)) !== statement) return null;
    }
    this.note(entry.dependencies);
    return entry.statement;
  }

  private note(dependencies: readonly Dependency[]): void {
    for (const frame of this.frames) frame.push(...dependencies);
  }
}

/** Numbers for what a text is understood against: a catalogue (a version is an object of its own) and a search path. Never the same one twice. */
class States {
  private readonly numbers = new Map<string, number>();
  private readonly catalogueNumbers = new WeakMap<Catalogue, number>();
  private given = 0;
  private last: {
    readonly catalogue: Catalogue;
    readonly path: SqlContext['searchPath'];
    readonly number: number;
  } | null = null;

  number({ catalogue, searchPath }: SqlContext): number {
    const { last } = this;
    if (last !== null && last.catalogue === catalogue && last.path === searchPath) return last.number;
    let which = this.catalogueNumbers.get(catalogue);
    if (which === undefined) {
      which = this.given += 1;
      this.catalogueNumbers.set(catalogue, which);
    }
    // Schema names hold no NUL.
    const key = searchPath === null ? `${which}` : `${[which, ...searchPath].join('\0')}\0`;
    let number = this.numbers.get(key);
    if (number === undefined) {
      if (this.numbers.size >= STATES_MAX) this.numbers.clear();
      number = this.given += 1;
      this.numbers.set(key, number);
    }
    this.last = { catalogue, path: searchPath, number };
    return number;
  }
}

/** Nothing is known of it but that it is there. */
function opaque(catalogue: Catalogue, why: string): Statement {
  const tally = new Tally(catalogue);
  tally.opaque(why);
  return {
    classification: {
      verb: 'unknown',
      clarity: 'opaque',
      touches: [...tally.touches.values()],
      uses: [],
      facts: { statement: [], hasWhere: false, functions: [], tables: [] },
      findings: [...tally.findings],
    },
    parts: [],
    changesState: true,
    changesCatalogue: true,
    justification: null,
    unknownNames: [],
    revealed: new Set(),
    computedFrom: new Set(),
  };
}

const NESTING_MAX = 4;
const STATES_MAX = 1_000;
