/**
 * The published Cedar schema: every action, who may be asked about it, what it happens to, and the context a policy may
 * read. The tables below are the source; the schema text, the loader's checks and docs/policy.md follow from them.
 *
 * Every context attribute of an action is required and is always set for it: Cedar skips a rule that fails, and a `has`
 * on something absent is quietly false, so nothing may be absent (see `context.ts` for who sets what).
 */

export interface ContextAttribute {
  readonly type: string;
  /** For the table in docs/policy.md. */
  readonly meaning: string;
  /** All values it can have, where they are few: another literal beside it is a spelling mistake. */
  readonly values?: readonly string[];
}

export interface ActionShape {
  /** As `core/action.ts` names it; the control plane's stand in the namespace `Control`. */
  readonly name: string;
  readonly control: boolean;
  readonly groups: readonly string[];
  readonly resources: readonly string[];
  readonly context: keyof typeof CONTEXTS;
  /** Only a permit that names this very action counts; `action`, `Action::"any"` and other groups do not. */
  readonly named: boolean;
}

const BASE: Readonly<Record<string, ContextAttribute>> = {
  now: { type: 'datetime', meaning: 'the time, cut to the minute' },
  minuteOfDay: { type: 'Long', meaning: 'minutes since midnight UTC, 0 to 1439' },
  weekday: { type: 'Long', meaning: 'day of the week in UTC, 0 is Sunday' },
  protocol: {
    type: 'String',
    meaning: 'protocol of the session; `control` for the control plane',
    values: ['postgres', 'mysql', 'ssh', 'kubernetes', 'http', 'control'],
  },
  clientIp: { type: 'ipaddr', meaning: 'where the client connects from' },
  opaque: { type: 'Bool', meaning: 'the text was not understood in full' },
  approvedBy: { type: 'Set<String>', meaning: 'ids of the rules whose approval was given' },
  analyzedBy: { type: 'Set<String>', meaning: 'analyzer profiles that watch the action' },
  justification: { type: 'String', meaning: 'the reason given; empty is none' },
  inTransaction: { type: 'Bool', meaning: 'a transaction is open at the target' },
  presenceSeconds: { type: 'Long', meaning: 'age of the last proof that a person was there' },
  spent: {
    type: '{ rows: Long, bytes: Long, statements: Long, lookups: Long, refusals: Long }',
    meaning: 'what the run has used so far',
  },
  seen: { type: 'Set<String>', meaning: 'labels of what the run has read so far' },
  endUser: { type: 'String', meaning: 'for whom a pooled service account asks; empty is nobody' },
  endUserProof: { type: 'String', meaning: 'how that is known', values: ['signed', 'claimed', 'none'] },
};

export const CONTEXTS = {
  Base: BASE,
  Sql: {
    ...BASE,
    rowsMax: { type: 'Long', meaning: 'how many rows may come back; the largest number when nothing limits them' },
    hasWhere: { type: 'Bool', meaning: 'every UPDATE and DELETE in the text has a WHERE' },
    statement: { type: 'String', meaning: 'the exact text' },
    kinds: { type: 'Set<String>', meaning: 'what its statements are: select, insert, truncate, …' },
    functions: { type: 'Set<String>', meaning: 'functions it calls, schema-qualified' },
  },
  Ssh: {
    ...BASE,
    text: { type: 'String', meaning: 'the exact command line' },
    commands: { type: 'Set<String>', meaning: 'programs it starts' },
  },
  Kubernetes: {
    ...BASE,
    verb: { type: 'String', meaning: "the API's verb" },
    subresource: { type: 'String', meaning: 'the subresource; empty is none' },
    body: { type: 'Document', meaning: 'the body of the request' },
  },
  Http: {
    ...BASE,
    method: { type: 'String', meaning: 'the method' },
    query: { type: 'Document', meaning: 'the query string' },
    body: { type: 'Document', meaning: 'the body of the request' },
  },
  Tool: { ...BASE, args: { type: 'Document', meaning: 'the arguments' } },
  Compare: {
    ...BASE,
    comparison: {
      type: 'String',
      meaning: 'how the value is used',
      values: ['lookup', 'join', 'range', 'pattern', 'order', 'group', 'function'],
    },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, ContextAttribute>>>>;

/** Fields that only the pipeline fills, to lift a forbid. */
export const CURE_FIELDS = ['approvedBy', 'analyzedBy', 'justification', 'rowsMax', 'presenceSeconds'] as const;

/** Group → the groups it lies in. `act` is what a client does, `data` what becomes of a value, `any` both and opaque. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  any: [],
  act: ['any'],
  data: ['any'],
  sql: ['act'],
  ssh: ['act'],
  k8s: ['act'],
  http: ['act'],
  mcp: ['act'],
};
const CONTROL_GROUPS: Readonly<Record<string, readonly string[]>> = {
  control: [],
  admin: ['control'],
  token: ['control'],
};

/** Kind of resource → the kinds one of which must be its parent. A database of a target is a target in the target. */
export const PARENTS: Readonly<Record<string, readonly string[]>> = {
  Target: ['Target'],
  Schema: ['Target'],
  Table: ['Schema'],
  Column: ['Table'],
  Function: ['Schema'],
  Host: ['Target'],
  Path: ['Path', 'Host'],
  Namespace: ['Target'],
  Object: ['Namespace', 'Target'],
  Secret: ['Namespace'],
  Route: ['Target'],
  Field: ['Route', 'Tool', 'Object'],
  Tool: ['Target'],
  Runbook: [],
};

/** Kinds that need no parent. */
export const ROOTS: ReadonlySet<string> = new Set(['Target', 'Runbook']);

export const PRINCIPALS = ['Human', 'Workload', 'Agent'] as const;
export type PrincipalKind = (typeof PRINCIPALS)[number];

/** Attributes of every principal; all required. Claims are tags, each a set of texts. */
const PRINCIPAL_ATTRIBUTES = 'provider: String, person: String, mayApprove: Bool, onBehalfOf: Set<String>';

export const ACTIONS: readonly ActionShape[] = [
  ...actions(['open'], ['act'], ['Target', 'Host'], 'Base'),
  ...actions(
    ['sql.read', 'sql.write', 'sql.define', 'sql.execute', 'sql.administer'],
    ['sql'],
    ['Target', 'Schema', 'Table', 'Function'],
    'Sql',
  ),
  ...actions(['sql.opaque'], ['any'], ['Target', 'Schema', 'Table', 'Function'], 'Sql', { named: true }),
  ...actions(['ssh.exec', 'ssh.shell', 'ssh.forward'], ['ssh'], ['Target', 'Host'], 'Ssh'),
  ...actions(['ssh.opaque'], ['any'], ['Target', 'Host'], 'Ssh', { named: true }),
  ...actions(['sftp.read', 'sftp.write'], ['ssh'], ['Path'], 'Ssh'),
  ...actions(
    ['k8s.read', 'k8s.write', 'k8s.delete', 'k8s.exec', 'k8s.forward', 'k8s.mint', 'k8s.rbac'],
    ['k8s'],
    ['Target', 'Namespace', 'Object', 'Secret'],
    'Kubernetes',
  ),
  ...actions(['http.read', 'http.write'], ['http'], ['Target', 'Route'], 'Http'),
  ...actions(['http.opaque'], ['any'], ['Target', 'Route'], 'Http', { named: true }),
  ...actions(['mcp.list'], ['mcp'], ['Target'], 'Base'),
  ...actions(['mcp.call'], ['mcp'], ['Tool'], 'Tool'),
  ...actions(['runbook.run'], ['act'], ['Runbook'], 'Tool'),
  ...actions(['reveal'], ['data'], ['Column', 'Field'], 'Base'),
  ...actions(['compare'], ['data'], ['Column', 'Field'], 'Compare', { named: true }),
  ...actions(['assign'], ['data'], ['Column', 'Field'], 'Base', { named: true }),
  ...actions(['secret.reveal'], ['data'], ['Secret'], 'Base', { named: true }),
  ...control(['admin.read', 'admin.config', 'admin.policy', 'admin.revoke', 'admin.lock', 'admin.keys'], ['admin']),
  ...control(['admin.audit', 'admin.kill'], ['admin']),
  ...control(['session.view', 'request.decide'], ['control']),
  ...control(['token.create', 'token.list', 'token.revoke'], ['token']),
];

const BY_NAME: ReadonlyMap<string, ActionShape> = new Map(ACTIONS.map((action) => [actionKey(action), action]));

/** `Action::"sql.read"`, `Control::Action::"admin.read"`: how the rest of the room names an action. */
export function actionKey(action: { readonly name: string; readonly control: boolean }): string {
  return `${action.control ? 'Control::' : ''}Action::"${action.name}"`;
}

export function actionShape(name: string, isControl = false): ActionShape | undefined {
  return BY_NAME.get(actionKey({ name, control: isControl }));
}

/** The keys of an action and of every group it lies in. */
export function actionLineage(action: ActionShape): readonly string[] {
  const groups = action.control ? CONTROL_GROUPS : GROUPS;
  const above = (name: string): readonly string[] => [name, ...(groups[name] ?? []).flatMap(above)];
  const names = [action.name, ...action.groups.flatMap(above)];
  return [...new Set(names)].map((name) => actionKey({ name, control: action.control }));
}

/** The schema in Cedar's own words. */
export const SCHEMA_TEXT: string = renderSchema();

function actions(
  names: readonly string[],
  groups: readonly string[],
  resources: readonly string[],
  context: keyof typeof CONTEXTS,
  options: { readonly named: boolean } = { named: false },
): ActionShape[] {
  return names.map((name) => ({ name, control: false, groups, resources, context, named: options.named }));
}

function control(names: readonly string[], groups: readonly string[]): ActionShape[] {
  return names.map((name) => ({ name, control: true, groups, resources: ['Gateway'], context: 'Base', named: false }));
}

function renderSchema(): string {
  const lines = ['entity Group;', 'entity Label;'];
  for (const kind of PRINCIPALS) lines.push(`entity ${kind} in [Group] { ${PRINCIPAL_ATTRIBUTES} } tags Set<String>;`);
  for (const [kind, parents] of Object.entries(PARENTS))
    lines.push(`entity ${kind} in [${[...parents, 'Label'].join(', ')}];`);
  lines.push('type Value = { kind: String, texts: Set<String>, text?: String, long?: Long, bool?: Bool };');
  lines.push('entity Document { opaque: Bool } tags Value;');
  for (const [name, attributes] of Object.entries(CONTEXTS)) {
    const fields = Object.entries(attributes).map(([key, { type }]) => `${key}: ${type}`);
    lines.push(`type ${name}Context = { ${fields.join(', ')} };`);
  }
  lines.push(...renderActions(GROUPS, false));
  lines.push('namespace Control {', 'entity Gateway;', ...renderActions(CONTROL_GROUPS, true), '}');
  return `${lines.join('\n')}\n`;
}

function renderActions(groups: Readonly<Record<string, readonly string[]>>, isControl: boolean): string[] {
  const inside = (names: readonly string[]) =>
    names.length === 0 ? '' : ` in [${names.map((name) => JSON.stringify(name)).join(', ')}]`;
  const lines = Object.entries(groups).map(([name, above]) => `action ${JSON.stringify(name)}${inside(above)};`);
  for (const action of ACTIONS) {
    if (action.control !== isControl) continue;
    const applies = `principal: [${PRINCIPALS.join(', ')}], resource: [${action.resources.join(', ')}]`;
    lines.push(
      `action ${JSON.stringify(action.name)}${inside(action.groups)} appliesTo { ${applies}, context: ${action.context}Context };`,
    );
  }
  return lines;
}
