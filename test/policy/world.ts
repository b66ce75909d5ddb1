import type { Action, Classification, ColumnUse, Comparison, PolicyAction, Touch } from '../../src/core/action.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { printMask } from '../../src/core/mask.ts';
import type { Principal } from '../../src/core/principal.ts';
import type { Resource, ResourceKind } from '../../src/core/resource.ts';
import type { Session } from '../../src/core/session.ts';
import type { Decision } from '../../src/core/verdict.ts';
import { type LoadOptions, load } from '../../src/policy/load.ts';
import { createPolicy, type Policy, type PolicyOptions } from '../../src/policy/policy.ts';
import { type PolicySet, problemText } from '../../src/policy/rule.ts';
import type { Given } from '../../src/policy/stage.ts';

/** The people, tables and policies that the tests of this room speak of. */

export const NOON = Date.parse('2026-11-20T12:00:31Z');
export const NIGHT = Date.parse('2026-11-20T03:00:00Z');

export const DESIGN_POLICIES = `
@id("agents-read-analytics")
permit (principal in Group::"agents", action == Action::"sql.read", resource in Schema::"warehouse/analytics");

@id("no-agent-drops") @message("agents cannot change the schema; open a migration instead")
forbid (principal is Agent, action in [Action::"sql.define", Action::"sql.administer"], resource);

@id("prod-writes") @cure("approval") @approvers("dba") @count("2") @within("30m")
forbid (principal, action == Action::"sql.write", resource in Label::"env/prod")
unless { context.approvedBy.contains("prod-writes") };

@id("prod-needs-reason") @cure("justification")
forbid (principal, action in Action::"act", resource in Label::"env/prod") unless { context.justification != "" };

@id("agents-5000-rows") @cure("limit-rows") @rows("5000")
forbid (principal is Agent, action == Action::"sql.read", resource) when { context.rowsMax > 5000 };

@id("watch-agents") @cure("analyzer") @profile("default")
forbid (principal is Agent, action in Action::"act", resource) unless { context.analyzedBy.contains("default") };

@id("mask-pii") @cure("mask") @mask("partial(0,4)")
forbid (principal, action == Action::"reveal", resource in Label::"pii") unless { principal in Group::"fraud" };

@id("support-looks-up") permit (principal in Group::"support", action == Action::"compare", resource in Label::"pii")
when { context.comparison == "lookup" && context.spent.lookups < 50 };
`;

export const MORE_POLICIES = `
@id("dev-crm") permit (principal in Group::"dev", action in [Action::"sql.read", Action::"sql.write", Action::"open"], resource in Target::"crm");
@id("dev-crm-again") permit (principal in Group::"dev", action == Action::"sql.write", resource in Target::"crm");
@id("agents-crm") permit (principal in Group::"agents", action in [Action::"sql.read", Action::"sql.define"], resource in Target::"crm");
@id("people-warehouse") @record("full") @notify("data") permit (principal in Group::"analysts", action == Action::"sql.read", resource in Target::"warehouse");
@id("no-where") @message("a write without WHERE") forbid (principal, action == Action::"sql.write", resource) when { !context.hasWhere };
@id("night-writes") @cure("approval") @approvers("oncall") forbid (principal, action == Action::"sql.write", resource in Target::"crm")
when { context.minuteOfDay < 360 } unless { context.approvedBy.contains("night-writes") };
@id("agents-secret-100") @cure("limit-rows") @rows("100") forbid (principal is Agent, action == Action::"sql.read", resource in Label::"secret") when { context.rowsMax > 100 };
@id("incident-number") @cure("justification") forbid (principal, action == Action::"sql.write", resource in Label::"env/prod")
unless { context.justification like "INC-*" };
@id("mask-cards") @cure("mask") @mask("null") forbid (principal, action == Action::"reveal", resource in Label::"card");
@id("hide-keys") @message("keys are never shown") forbid (principal, action == Action::"reveal", resource in Label::"key");
@id("no-dblink") forbid (principal, action in Action::"sql", resource) when { context.functions.contains("public.dblink") };
@id("auditors-compare") permit (principal in Group::"auditors", action in [Action::"compare", Action::"assign"], resource in Label::"pii");
`;

export function loadOptions(options: Partial<LoadOptions> = {}): LoadOptions {
  return { now: NOON, limits: LIMITS, ...options };
}

export function compile(text: string, options: Partial<LoadOptions> = {}): PolicySet {
  const loaded = load([{ file: 'test.cedar', text }], loadOptions(options));
  if (loaded.outcome === 'refused') throw new Error(loaded.problems.map(problemText).join('\n'));
  return loaded.set;
}

/** The problems of a text, as they are printed. */
export function problemsOf(text: string, options: Partial<LoadOptions> = {}): readonly string[] {
  const loaded = load([{ file: 'test.cedar', text }], loadOptions(options));
  return loaded.outcome === 'refused' ? loaded.problems.map(problemText) : [];
}

export function policy(text: string, options: Partial<PolicyOptions> = {}): Policy {
  return createPolicy(compile(text), {
    onDifference: (difference) => {
      throw new Error(`decided differently: ${JSON.stringify(difference)}`);
    },
    ...options,
  });
}

export function resource(kind: ResourceKind, id: string, parent: Resource | null, ...labels: string[]): Resource {
  return { kind, id, labels, parent };
}

export const crm = resource('Target', 'crm', null, 'env/prod');
export const warehouse = resource('Target', 'warehouse', null, 'env/dev');
const crmPublic = resource('Schema', 'crm/public', crm);
const analytics = resource('Schema', 'warehouse/analytics', warehouse);
export const customers = resource('Table', 'crm/public.customers', crmPublic);
export const orders = resource('Table', 'warehouse/analytics.orders', analytics);
export const vault = resource('Table', 'warehouse/analytics.vault', analytics, 'secret');
export const people = resource('Table', 'warehouse/analytics.people', analytics);
export const ssn = resource('Column', 'warehouse/analytics.people.ssn', people, 'pii');
export const name = resource('Column', 'warehouse/analytics.people.name', people);
export const card = resource('Column', 'warehouse/analytics.people.card', people, 'pii', 'card');
export const key = resource('Column', 'warehouse/analytics.people.key', people, 'key');

export function person(id: string, groups: readonly string[], more: Partial<Principal> = {}): Principal {
  return {
    kind: 'human',
    id: `okta/${id}`,
    name: id,
    provider: 'okta',
    groups,
    claims: {},
    person: `okta/${id}`,
    onBehalfOf: null,
    mayApprove: true,
    ...more,
  };
}

export function agent(id: string, groups: readonly string[], onBehalfOf: Principal | null): Principal {
  return person(id, groups, {
    kind: 'agent',
    id: `agent/${id}`,
    onBehalfOf,
    person: onBehalfOf?.person ?? null,
    mayApprove: false,
  });
}

export const ann = person('ann', ['dev', 'analysts']);
export const fay = person('fay', ['dev', 'fraud', 'analysts', 'agents']);
export const eve = person('eve', []);
export const sue = person('sue', ['support', 'analysts']);
export const aud = person('aud', ['auditors', 'analysts']);
/** An agent whose human may do everything it may, and sees what it may not. */
export const bot = agent('claude', ['agents', 'analysts'], fay);

export interface Doing {
  readonly touches: readonly Touch[];
  readonly uses?: readonly ColumnUse[];
  readonly facts?: Classification['facts'];
  readonly clarity?: Classification['clarity'];
}

export function classify(doing: Doing): Classification {
  return {
    verb: 'read',
    clarity: doing.clarity ?? 'parsed',
    touches: doing.touches,
    uses: doing.uses ?? [],
    facts: doing.facts ?? { hasWhere: true, functions: [] },
    findings: [],
  };
}

export function touch(action: PolicyAction, on: Resource): Touch {
  return { action, resource: on };
}

export function reveal(...columns: readonly Resource[]): ColumnUse[] {
  return columns.map((column) => ({ use: 'reveal', column }));
}

export function compare(column: Resource, comparison: Comparison = 'lookup'): ColumnUse {
  return { use: 'compare', column, comparison };
}

export function act(principal: Principal, what: Classification | Doing, more: Partial<Action> = {}): Action {
  const classification = 'verb' in what ? what : classify(what);
  let at = classification.touches[0]?.resource ?? crm;
  while (at?.parent != null) at = at.parent;
  return {
    classification,
    kind: 'query',
    text: Buffer.from('select 1'),
    parameters: [],
    state: '',
    id: 'a1',
    session: session(principal, at),
    runId: null,
    sequence: 1,
    protocol: 'postgres',
    target: at?.id ?? 'crm',
    principal,
    at: NOON,
    ...more,
  };
}

export function session(principal: Principal, target: Resource, clientAddress = '10.0.0.1'): Session {
  return {
    id: 's1',
    runId: null,
    protocol: 'postgres',
    principal,
    target: target?.id ?? '',
    resource: target,
    database: 'db',
    role: 'gateway',
    clientAddress,
    clientName: 'psql',
    startedAt: NOON,
    endsAt: null,
    justification: '',
  };
}

export function given(more: Partial<Given> = {}): Given {
  return { approvedBy: [], analyzedBy: [], justification: '', now: NOON, ...more };
}

/** Asks, gives what is asked for, asks again, as the pipeline does. */
export function settleWith(
  stage: Policy,
  action: Action,
  gifts: Partial<Record<'approval' | 'justification' | 'analyzer' | 'step-up', string>>,
  start: Given = given(),
): { readonly decision: Decision; readonly asked: readonly string[] } {
  let now = start;
  const asked: string[] = [];
  for (let round = 0; round < 10; round++) {
    const decision = stage.decide(action, now);
    if (decision.effect !== 'ask') return { decision, asked };
    const [cure] = decision.cures;
    if (cure === undefined) throw new Error('asks for nothing');
    asked.push(cure.rule);
    const gift = gifts[cure.kind];
    if (gift === undefined) return { decision, asked };
    if (cure.kind === 'approval') now = { ...now, approvedBy: [...now.approvedBy, gift === 'yes' ? cure.rule : gift] };
    else if (cure.kind === 'analyzer') now = { ...now, analyzedBy: [...now.analyzedBy, cure.profile] };
    else now = { ...now, justification: gift };
  }
  throw new Error('never settles');
}

/** A decision in one line: `allow limit-rows 5000 mask ssn partial(0,4)`, `ask prod-writes`, `deny POLICY_DENIED no-where`. */
export function line(decision: Decision): string {
  if (decision.effect === 'deny') return `deny ${decision.reason.code} ${decision.reason.rule ?? '-'}`;
  const obligations = decision.obligations.map((obligation) => {
    if (obligation.kind === 'mask')
      return `mask ${obligation.column.id.split('.').at(-1)} ${printMask(obligation.mask)}`;
    return obligation.kind === 'limit-rows' ? `limit-rows ${obligation.rows_max}` : obligation.kind;
  });
  const cures = decision.effect === 'ask' ? decision.cures.map((cure) => `${cure.rule}:${cure.kind}`) : [];
  const observed =
    decision.observed === null ? [] : [`observed ${decision.observed.code} ${decision.observed.rule ?? '-'}`];
  return [decision.effect, ...cures, ...obligations, ...observed].join(' ');
}

/** A set as it is, without loading it: for rules that the loader would refuse. */
export function policyOf(set: PolicySet): Policy {
  return createPolicy(set);
}
