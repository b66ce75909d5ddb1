import type { Limits } from '../../core/limits.ts';
import { definition } from './definitions.ts';
import { expression } from './expressions.ts';
import { relationName } from './from.ts';
import { functionCall } from './functions.ts';
import type { Ctes, Lineage, Output, Scope } from './lineage.ts';
import { newScope } from './lineage.ts';
import { Names, type SearchPath } from './names.ts';
import { type Fields, listOf, type Opened, required, text } from './nodes.ts';
import type { ParsedStatement } from './parse.ts';
import { doBlock } from './procedural.ts';
import { select } from './queries.ts';
import type { SqlContext, Statement, StatementPart } from './statement.ts';
import { Tally } from './tally.ts';
import { argumentsOf, copy, explain, lock, options, setVariable } from './utility.ts';
import { Depth, type Place, type Role, VALUE, type Walk } from './walk.ts';
import { dataModification } from './writes.ts';

export type AnalysisLimits = Pick<Limits, 'statement_bytes_max' | 'statement_nesting_max'>;

/** What the analysis of a text asks its surroundings for. */
export interface Surroundings {
  readonly context: SqlContext;
  readonly limits: AnalysisLimits;
  /** A prepared statement as it would be understood at this moment; `null`: unknown. */
  prepared(name: string): Statement | null;
  cursor(name: string): Statement | null;
}

/** Walks the statements of one text in order; the worst of everything found is in the tally. */
export class Analysis implements Walk {
  readonly tally: Tally;
  readonly alone: boolean;
  names: Names;
  readonly parts: StatementPart[] = [];
  private readonly surroundings: Surroundings;
  private readonly source: Buffer;
  private readonly depth: Depth;
  /** What this text itself prepared and declared; `null`: taken away again. */
  private readonly preparedHere = new Map<string, Statement | null>();
  private readonly declaredHere = new Map<string, Statement | null>();
  private at: ParsedStatement | null = null;
  private path: SearchPath;

  constructor(source: Buffer, statements: readonly ParsedStatement[], surroundings: Surroundings) {
    this.source = source;
    this.surroundings = surroundings;
    this.alone = statements.length === 1;
    const { catalogue, searchPath } = surroundings.context;
    this.tally = new Tally(catalogue);
    this.path = { schemas: searchPath, listed: false };
    this.names = new Names(catalogue, this.path, this.tally);
    this.depth = new Depth(surroundings.limits.statement_nesting_max * 4);
  }

  run(statements: readonly ParsedStatement[]): void {
    for (const statement of statements) {
      this.at = statement;
      const changed = this.tally.changesState;
      this.tally.changesState = false;
      this.tally.searchPath = undefined;
      this.parts.push(this.statement(statement.node, 'reveal'));
      this.follow();
      this.tally.changesState ||= changed;
      if (this.tally.changesCatalogue) this.names.unsettle('an earlier statement of the text changes what there is');
    }
  }

  /** What unqualified names mean to the next statement of the text. */
  private follow(): void {
    const { searchPath, changesState } = this.tally;
    if (searchPath === undefined && !changesState) return;
    this.path = { schemas: searchPath ?? null, listed: true };
    this.names = new Names(this.names.catalogue, this.path, this.tally);
  }

  deeper<T>(work: () => T): T {
    return this.depth.deeper(work);
  }

  expression(node: unknown, scope: Scope, place: Place): Lineage {
    return expression(this, node, scope, place);
  }

  query(node: Opened, outer: Scope | null, ctes: Ctes | null, role: Role): Output {
    return this.deeper(() =>
      node.type === 'SelectStmt'
        ? select(this, node.fields, outer, ctes, role)
        : dataModification(this, node, outer, ctes, role),
    );
  }

  statement({ type, fields }: Opened, role: Role = 'hidden'): StatementPart {
    const part = { ...EMPTY_PART, node: type.replace(/Stmt$/, '').toLowerCase() };
    switch (type) {
      case 'SelectStmt':
      case 'InsertStmt':
      case 'UpdateStmt':
      case 'DeleteStmt':
      case 'MergeStmt':
        this.query({ type, fields }, null, null, role);
        return part;
      case 'CopyStmt': {
        copy(this, fields);
        const server = text(fields.filename) !== null;
        return { ...part, copy: server ? null : fields.is_from === true ? 'in' : 'out' };
      }
      case 'TransactionStmt':
        return this.transaction(part, fields);
      case 'ExplainStmt':
        explain(this, fields);
        return part;
      case 'VariableSetStmt':
        setVariable(this, fields);
        return part;
      case 'DiscardStmt':
        this.tally.changesState = true;
        this.tally.touchTarget('sql.read');
        return text(fields.target) === 'DISCARD_ALL' ? { ...part, deallocates: null, closes: null } : part;
      case 'VariableShowStmt':
      case 'ConstraintsSetStmt':
      case 'ListenStmt':
      case 'UnlistenStmt':
        this.tally.touchTarget('sql.read');
        return part;
      case 'NotifyStmt':
        this.tally.touchTarget('sql.write');
        return part;
      case 'TruncateStmt':
        for (const each of listOf(fields.relations)) {
          this.names.relation(relationName(required(each).fields), 'sql.write');
        }
        return part;
      case 'LockStmt':
        lock(this, fields);
        return part;
      case 'DoStmt':
        doBlock(this, fields, this.surroundings.limits);
        return part;
      case 'CallStmt':
        this.call(fields.funccall);
        return part;
      case 'PrepareStmt':
      case 'DeclareCursorStmt':
        return this.keeps(part, { type, fields });
      case 'ExecuteStmt':
      case 'FetchStmt':
        return this.uses(part, { type, fields });
      case 'DeallocateStmt':
      case 'ClosePortalStmt':
        return this.forgets(part, { type, fields });
      default:
        definition(this, { type, fields }, this.statementText(), this.surroundings.limits);
        return part;
    }
  }

  private transaction(part: StatementPart, fields: Fields): StatementPart {
    const kind = text(fields.kind) ?? '';
    const transaction = TRANSACTION[kind] ?? null;
    // A prepared transaction outlives its session with all its locks, and anybody's can be ended.
    const harmless = options(listOf(fields.options)) && !TWO_PHASE.has(kind);
    this.tally.touchTarget(harmless ? 'sql.read' : 'sql.administer');
    if (transaction === 'begin' || transaction === 'savepoint' || transaction === 'release')
      return { ...part, transaction };
    // SET is undone by a roll-back, SET LOCAL by any end. A plain COMMIT changes nothing that was not announced by the SET
    // LOCAL before it; the conversation sees the transaction end.
    this.tally.searchPath = null;
    if (transaction !== 'commit' || fields.chain === true) this.tally.changesState = true;
    return { ...part, transaction };
  }

  private call(node: unknown): void {
    this.tally.changesState = true;
    functionCall(this, fieldsOfCall(node), newScope(null, null), { ...VALUE, fixed: true });
  }

  /** PREPARE and DECLARE: what is inside counts now as well. */
  private keeps(part: StatementPart, { type, fields }: Opened): StatementPart {
    const name = text(fields.name ?? fields.portalname) ?? '';
    const role = type === 'PrepareStmt' ? 'reveal' : 'hidden';
    for (const each of listOf(fields.argtypes)) this.expression(each, newScope(null, null), VALUE);
    const statements = this.at === null ? [] : [{ ...this.at, node: required(fields.query) }];
    const analysis = new Analysis(this.source, statements, this.surroundings);
    analysis.path = this.path;
    analysis.names = new Names(this.names.catalogue, this.path, analysis.tally);
    for (const { node } of statements) analysis.parts.push(analysis.statement(node, role));
    const kept = assemble(analysis);
    this.tally.absorb(kept);
    (type === 'PrepareStmt' ? this.preparedHere : this.declaredHere).set(name, kept);
    return type === 'PrepareStmt' ? { ...part, prepares: name, inner: kept } : { ...part, declares: name, inner: kept };
  }

  private uses(part: StatementPart, { type, fields }: Opened): StatementPart {
    const executes = type === 'ExecuteStmt';
    const name = text(fields.name ?? fields.portalname) ?? '';
    const here = executes ? this.preparedHere : this.declaredHere;
    const { surroundings } = this;
    const known = here.has(name)
      ? (here.get(name) ?? null)
      : executes
        ? surroundings.prepared(name)
        : surroundings.cursor(name);
    argumentsOf(this, listOf(fields.params));
    if (known === null) this.tally.opaque(`${name} is not known`);
    else if (executes || fields.ismove !== true) this.tally.absorb(known);
    // What a cursor puts out may be anything that its query looks at.
    if (!executes)
      for (const { use, column } of known?.classification.uses ?? [])
        if (use !== 'mention') this.tally.computedFrom.add(column.id);
    return executes ? { ...part, executes: name } : { ...part, fetches: name };
  }

  private forgets(part: StatementPart, { type, fields }: Opened): StatementPart {
    this.tally.touchTarget('sql.read');
    const name = text(fields.name ?? fields.portalname);
    const here = type === 'DeallocateStmt' ? this.preparedHere : this.declaredHere;
    if (name !== null) here.set(name, null);
    else for (const each of here.keys()) here.set(each, null);
    return type === 'DeallocateStmt' ? { ...part, deallocates: name } : { ...part, closes: name };
  }

  private statementText(): string {
    return this.at === null ? '' : this.source.toString('utf8', this.at.from, this.at.to);
  }
}

export function assemble(analysis: Analysis): Statement {
  const { tally, parts } = analysis;
  if (tally.touches.size === 0) tally.touchTarget('sql.read');
  return {
    classification: {
      verb: tally.verb,
      clarity: tally.clarity,
      touches: [...tally.touches.values()],
      uses: tally.columnUses,
      facts: {
        statement: parts.map((part) => part.node),
        hasWhere: !tally.unfiltered,
        functions: [...tally.functions].sort(),
        tables: [...tally.tables].sort(),
      },
      findings: [...tally.findings],
    },
    parts,
    changesState: tally.changesState,
    changesCatalogue: tally.changesCatalogue,
    justification: tally.justification,
    unknownNames: [...tally.unknownNames],
    revealed: tally.revealed,
    computedFrom: tally.computedFrom,
  };
}

function fieldsOfCall(node: unknown) {
  return required({ FuncCall: node }).fields;
}

export const EMPTY_PART: StatementPart = {
  node: '',
  copy: null,
  transaction: null,
  prepares: null,
  executes: null,
  deallocates: undefined,
  declares: null,
  fetches: null,
  closes: undefined,
  inner: null,
};

const TWO_PHASE: ReadonlySet<string> = new Set([
  'TRANS_STMT_PREPARE',
  'TRANS_STMT_COMMIT_PREPARED',
  'TRANS_STMT_ROLLBACK_PREPARED',
]);
const TRANSACTION: Readonly<Record<string, NonNullable<StatementPart['transaction']>>> = {
  TRANS_STMT_BEGIN: 'begin',
  TRANS_STMT_START: 'begin',
  TRANS_STMT_COMMIT: 'commit',
  TRANS_STMT_ROLLBACK: 'rollback',
  TRANS_STMT_SAVEPOINT: 'savepoint',
  TRANS_STMT_RELEASE: 'release',
  TRANS_STMT_ROLLBACK_TO: 'rollback-to',
  TRANS_STMT_PREPARE: 'prepare',
};
