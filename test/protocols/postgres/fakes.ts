import type { Classification, PolicyAction } from '../../../src/core/action.ts';
import { LIMITS, type Limits } from '../../../src/core/limits.ts';
import type { Resource } from '../../../src/core/resource.ts';
import type { Clearance, Obligation, Reason, Verdict } from '../../../src/core/verdict.ts';
import type { ConversationContext } from '../../../src/protocols/protocol.ts';
import type { Catalogue, Column, Relation } from '../../../src/protocols/sql/catalogue.ts';
import type { Classifier, SqlContext, Statement, StatementPart } from '../../../src/protocols/sql/statement.ts';

/** A small world: a target `crm` with one table and one view, and a classifier that knows a dozen forms of statement. */

export const TARGET: Resource = { kind: 'Target', id: 'crm', labels: [], parent: null };
const SCHEMA: Resource = { kind: 'Schema', id: 'crm/public', labels: [], parent: TARGET };

export const PEOPLE_OID = 16_384;
export const VIEW_OID = 16_385;
/** Its columns are expressions. */
export const COMPUTED_VIEW_OID = 16_386;

export function column(table: string, name: string): Resource {
  const parent: Resource = { kind: 'Table', id: `crm/public.${table}`, labels: [], parent: SCHEMA };
  return { kind: 'Column', id: `crm/public.${table}.${name}`, labels: [], parent };
}

function relation(oid: number, name: string, kind: Relation['kind'], names: readonly string[], base: number): Relation {
  const columns = new Map<number, Column>();
  for (const [index, each] of names.entries()) {
    const number = index + 1;
    const sources = [{ relation: base, column: number }];
    const computed = oid === COMPUTED_VIEW_OID;
    const made = { number, name: each, typeOid: 25, typeModifier: -1, resource: column(name, each), sources, computed };
    columns.set(number, made);
  }
  return {
    oid,
    schema: 'public',
    name,
    kind,
    resource: { kind: 'Table', id: `crm/public.${name}`, labels: [], parent: SCHEMA },
    columns,
    columnByName: (wanted) => [...columns.values()].find((each) => each.name === wanted) ?? null,
    bases: [base],
    referencing: [],
    functionsOnRead: [],
    functionsOnWrite: [],
  };
}

const RELATIONS = [
  relation(PEOPLE_OID, 'people', 'table', ['id', 'name', 'ssn'], PEOPLE_OID),
  relation(VIEW_OID, 'contacts', 'view', ['id', 'name', 'ssn'], PEOPLE_OID),
  relation(COMPUTED_VIEW_OID, 'digests', 'view', ['id', 'name', 'ssn'], PEOPLE_OID),
];

export function catalogue(version = 1): Catalogue {
  return {
    version,
    target: TARGET,
    serverVersion: 180_004,
    searchPath: ['public'],
    schema: (name) => (name === 'public' ? SCHEMA : null),
    relation: (_, name) => RELATIONS.find((each) => each.name === name) ?? null,
    relations: () => RELATIONS,
    relationByOid: (oid) => RELATIONS.find((each) => each.oid === oid) ?? null,
    functions: () => [],
    functionByOid: (oid) =>
      oid === 1598
        ? {
            oid,
            schema: 'pg_catalog',
            name: 'random',
            resource: { kind: 'Function', id: 'crm/pg_catalog.random', labels: [], parent: TARGET },
            kind: 'function',
            language: 'internal',
            volatility: 'volatile',
            securityDefiner: false,
            harmless: true,
          }
        : null,
    operators: () => [],
    type: () => null,
  };
}

const PART: StatementPart = {
  node: 'select',
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

export function statement(more: Partial<Statement> = {}, part: Partial<StatementPart> | null = {}): Statement {
  const action: PolicyAction = 'sql.read';
  const classification: Classification = {
    verb: 'read',
    clarity: 'parsed',
    touches: [{ action, resource: TARGET }],
    uses: [],
    facts: {},
    findings: [],
  };
  return {
    classification,
    parts: part === null ? [] : [{ ...PART, ...part }],
    changesState: false,
    changesCatalogue: false,
    justification: null,
    unknownNames: [],
    revealed: new Set(
      ['people', 'contacts', 'digests'].flatMap((table) => ['id', 'name', 'ssn'].map((name) => column(table, name).id)),
    ),
    computedFrom: new Set(),
    ...more,
  };
}

/** Understands what the tests say, by its first words. Remembers by text, so that the same text is the same object. */
export class FakeClassifier implements Classifier {
  /** Texts it was asked about, in order. */
  readonly asked: { readonly text: string; readonly searchPath: readonly string[] | null }[] = [];
  private readonly known = new Map<string, Statement>();

  statement(text: Buffer, context: SqlContext): Statement {
    const source = text.toString();
    this.asked.push({ text: source, searchPath: context.searchPath });
    const named = /^execute (\w+)/i.exec(source);
    if (named !== null) {
      const inner = context.prepared(named[1] ?? '');
      return statement(inner === null ? {} : { classification: inner.classification }, {
        node: 'execute',
        executes: named[1] ?? '',
      });
    }
    const known = this.known.get(source);
    if (known !== undefined && context.searchPath !== null) return known;
    const made = understand(source, context);
    if (context.searchPath !== null) this.known.set(source, made);
    return made;
  }
}

function understand(source: string, context: SqlContext): Statement {
  const parts = source
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (parts.length === 0) return statement({}, null);
  if (parts.length > 1) {
    const each = parts.map((part) => understand(part, context));
    return { ...(each[0] ?? statement()), parts: each.flatMap((one) => one.parts) };
  }
  const text = parts[0] ?? '';
  const justification = /^set sallyport\.justification = '(.*)'$/i.exec(text);
  if (justification !== null) return statement({ justification: justification[1] ?? '' }, { node: 'variableset' });
  const prepare = /^prepare (\w+) as (.*)$/i.exec(text);
  if (prepare !== null) {
    const inner = understand(prepare[2] ?? '', context);
    return statement({}, { node: 'prepare', prepares: prepare[1] ?? '', inner });
  }
  if (/^(set|reset)/i.test(text)) return statement({ changesState: true }, { node: 'variableset' });
  if (/^begin/i.test(text)) return statement({}, { node: 'transaction', transaction: 'begin' });
  if (/^commit/i.test(text)) return statement({}, { node: 'transaction', transaction: 'commit' });
  if (/^rollback/i.test(text))
    return statement({ changesState: true }, { node: 'transaction', transaction: 'rollback' });
  if (/^copy .* from stdin/i.test(text)) return statement({}, { node: 'copy', copy: 'in' });
  if (/^copy .* to stdout/i.test(text)) return statement({}, { node: 'copy', copy: 'out' });
  if (/^listen/i.test(text)) return statement({}, { node: 'listen' });
  if (/^create/i.test(text)) return statement({ changesCatalogue: true }, { node: 'create' });
  if (/nowhere/i.test(text)) return statement({ unknownNames: ['nowhere'] });
  if (/upper\(ssn\)/i.test(text)) return statement({ computedFrom: new Set([column('people', 'ssn').id]) });
  if (/hidden/i.test(text)) return statement({ revealed: new Set([column('people', 'id').id]) });
  if (/^(select|show|explain)/i.test(text)) return statement();
  return statement({}, { node: text.split(' ')[0]?.toLowerCase() ?? '' });
}

/** A clearance nobody minted; the conversation only carries it. */
export function clearance(entry: number): Clearance {
  // Tests stand in for the pipeline, the only maker of these.
  return { entry } as unknown as Clearance;
}

export function forward(entry: number, obligations: readonly Obligation[] = []): Verdict {
  return { outcome: 'forward', clearance: clearance(entry), obligations, rules: ['r'], observed: null };
}

export const REASON: Reason = {
  code: 'POLICY_DENIED',
  rule: 'no-drops',
  why: 'agents cannot change the schema',
  hint: 'open a migration instead',
  cure: null,
  retry: 'after-edit',
  request: null,
};
export const REFUSE: Verdict = { outcome: 'refuse', reason: REASON, entry: 7 };
export const ASK: Verdict = {
  outcome: 'ask',
  cures: [{ kind: 'approval', rule: 'writes', message: '', approvers: [['dba']], count: 1, within_ms: 60_000 }],
};

export function maskSsn(table = 'people'): Obligation {
  return {
    kind: 'mask',
    column: column(table, 'ssn'),
    mask: { kind: 'partial', keep_first: 0, keep_last: 4 },
    rule: 'mask-pii',
  };
}

export function context(more: Partial<ConversationContext> = {}, limits: Partial<Limits> = {}): ConversationContext {
  let drawn = 0;
  return {
    limits: { ...LIMITS, ...limits },
    clientTls: false,
    cleartextAllowed: true,
    listenerTarget: null,
    random: (bytes) => Buffer.alloc(bytes, (drawn += 1)),
    cellMask: (mask) => (value) => Buffer.from(`<${mask.kind}:${value.length}>`),
    ...more,
  };
}
