import { isUtf8 } from 'node:buffer';
import type { Limits } from '../../core/limits.ts';
import { Analysis, assemble } from './analysis.ts';
import type { Catalogue } from './catalogue.ts';
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
  private readonly byText = new Map<string, Entry>();
  private readonly byLiteralFreeText = new Map<string, Entry>();
  private readonly catalogueNumbers = new WeakMap<Catalogue, number>();
  private catalogues = 0;
  /** Where a statement came from, to understand it again when names have come to mean something else. */
  private readonly origins = new WeakMap<Statement, { readonly text: Buffer; readonly part: number | null }>();
  private nesting = 0;

  constructor(limits: ClassifierLimits) {
    this.limits = limits;
  }

  statement(text: Buffer, context: SqlContext): Statement {
    if (text.length > this.limits.statement_bytes_max) return this.fresh(text, context).statement;
    const state = this.state(context);
    const source = text.latin1Slice();
    const key = `${state}${source}`;
    const known = this.recall(this.byText, key, context);
    if (known !== null) return known;
    const literals = literalFree(source);
    const literalFreeKey = literals === null ? null : `${state}${literals.text}`;
    const similar = literalFreeKey === null ? null : this.recall(this.byLiteralFreeText, literalFreeKey, context);
    // The bytes that differ lie inside literals; whether the server would take them still has to be seen.
    if (similar !== null && isUtf8(text) && !text.includes(0)) return similar;
    const { statement, dependencies, free } = this.fresh(text, context);
    this.remember(this.byText, key, { statement, dependencies });
    if (literals !== null && literalFreeKey !== null && dependencies.length === 0 && literals.match(free)) {
      this.remember(this.byLiteralFreeText, literalFreeKey, { statement, dependencies });
    }
    return statement;
  }

  private fresh(text: Buffer, context: SqlContext): Entry & { readonly free: ReadonlySet<number> } {
    const dependencies: Dependency[] = [];
    const told = (of: Dependency['of'], name: string): Statement | null => {
      const statement = of === 'prepared' ? context.prepared(name) : context.cursor(name);
      dependencies.push({ of, name, statement });
      return statement;
    };
    const surroundings = {
      context,
      limits: this.limits,
      prepared: (name: string) => this.again(told('prepared', name), context),
      cursor: (name: string) => told('cursor', name),
    };
    // One classification may ask for another (EXECUTE of a protocol statement that is itself an EXECUTE).
    this.nesting += 1;
    try {
      if (this.nesting > NESTING_MAX) throw new NotUnderstood('prepared statements execute one another');
      const statements = parse(text, this.limits);
      const analysis = new Analysis(text, statements, surroundings);
      analysis.run(statements);
      const statement = assemble(analysis);
      this.noteOrigins(statement, text);
      return { statement, dependencies, free: analysis.tally.freeLiterals };
    } catch (error) {
      if (!(error instanceof NotUnderstood)) throw error;
      return { statement: opaque(context.catalogue, error.message), dependencies, free: new Set() };
    } finally {
      this.nesting -= 1;
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

  private state({ catalogue, searchPath }: SqlContext): string {
    let number = this.catalogueNumbers.get(catalogue);
    if (number === undefined) {
      number = this.catalogues += 1;
      this.catalogueNumbers.set(catalogue, number);
    }
    // Schema names hold no NUL, and neither does a text that is understood.
    return `${number}.${catalogue.version}\0${searchPath === null ? '' : `${searchPath.join('\0')}\0`}\0\0`;
  }

  private recall(cache: Map<string, Entry>, key: string, context: SqlContext): Statement | null {
    const entry = cache.get(key);
    if (entry === undefined) return null;
    const holds = entry.dependencies.every(
      ({ of, name, statement }) => (of === 'prepared' ? context.prepared(name) : context.cursor(name)) === statement,
    );
    if (!holds) return null;
    cache.delete(key);
    cache.set(key, entry);
    return entry.statement;
  }

  private remember(cache: Map<string, Entry>, key: string, entry: Entry): void {
    cache.delete(key);
    cache.set(key, entry);
    if (cache.size <= this.limits.classifications_max) return;
    const oldest = cache.keys().next();
    if (oldest.done !== true) cache.delete(oldest.value);
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
