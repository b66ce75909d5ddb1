import { isMap, isSeq, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import type { Action, Classification } from '../core/action.ts';
import type { ProtocolName, TargetName } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { printMask } from '../core/mask.ts';
import { DELEGATION_LINKS_MAX, type Principal } from '../core/principal.ts';
import type { Resource } from '../core/resource.ts';
import type { Decision } from '../core/verdict.ts';
import type { Policy } from './policy.ts';
import type { Given } from './stage.ts';

/** Tests of policies, in files named `*.test.yaml` beside them: who does what, and what comes of it. */
export interface PolicyTestResult {
  readonly file: string;
  readonly line: number;
  readonly name: string;
  readonly passed: boolean;
  /** What was expected and what came; empty when it passed. */
  readonly message: string;
}

export interface PolicyTestWorld {
  /** What `do` is on that target, by the catalogue known here. Throws when there is no such target, or it cannot be said. */
  classify(doing: string | JsonObject, target: TargetName): TestedAction;
  readonly now: number;
}

export interface TestedAction {
  readonly classification: Classification;
  readonly protocol: ProtocolName;
  /** The target with its labels. */
  readonly resource: Resource;
  readonly text: Uint8Array;
}

export function runPolicyTests(
  policy: Policy,
  files: readonly { readonly file: string; readonly text: string }[],
  world: PolicyTestWorld,
): readonly PolicyTestResult[] {
  return files.flatMap(({ file, text }) => runFile(policy, file, text, world));
}

function runFile(policy: Policy, file: string, text: string, world: PolicyTestWorld): readonly PolicyTestResult[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const fail = (line: number, name: string, message: string): PolicyTestResult => ({
    file,
    line,
    name,
    passed: false,
    message,
  });
  const broken = document.errors.map((error) => fail(lines.linePos(error.pos[0]).line, file, error.message));
  if (broken.length > 0) return broken;
  if (!isSeq(document.contents)) return [fail(1, file, 'a test file is a list of tests')];
  return document.contents.items.map((item) => {
    const line = isMap(item) ? lines.linePos(item.range?.[0] ?? 0).line : 1;
    const parsed = TEST.safeParse(isMap(item) ? item.toJSON() : item);
    if (!parsed.success) return fail(line, file, z.prettifyError(parsed.error));
    const test = parsed.data;
    const name = test.name ?? `${nameOf(test.as)} on ${test.on ?? 'the gateway'}: ${textOf(test.do)}`;
    try {
      const message = run(policy, test, world);
      return { file, line, name, passed: message === '', message };
    } catch (error) {
      return fail(line, name, error instanceof Error ? error.message : String(error));
    }
  });
}

/** The empty text, or what is not as expected. */
function run(policy: Policy, test: PolicyTest, world: PolicyTestWorld): string {
  const given: Given = {
    approvedBy: test.given.approvedBy,
    analyzedBy: test.given.analyzedBy,
    justification: test.given.justification,
    now: test.given.at === undefined ? world.now : Date.parse(test.given.at),
  };
  const principal = principalOf(test.as, 0);
  if (typeof test.do === 'object' && typeof test.do.control === 'string') {
    const { allowed, rules } = policy.admin(principal, test.do.control, given);
    return differences(test, allowed ? 'allow' : 'refuse', rules, null);
  }
  if (test.on === undefined) return 'it needs `on`, the name of a target';
  // Parsed from YAML as JSON by the schema below.
  const tested = world.classify(test.do as string | JsonObject, test.on);
  const decision = policy.decide(actionOf(principal, test.on, tested, given), given);
  const outcome =
    decision.effect === 'ask' ? (decision.cures[0]?.kind ?? 'ask') : decision.effect === 'deny' ? 'refuse' : 'allow';
  return differences(test, outcome, decision.rules, decision);
}

function differences(test: PolicyTest, outcome: string, rules: readonly string[], decision: Decision | null): string {
  const found: string[] = [];
  const why = decision?.effect === 'deny' ? ` (${decision.reason.why})` : '';
  if (outcome !== test.expect) found.push(`expected ${test.expect}, got ${outcome}${why}`);
  const absent = (test.rules ?? []).filter((rule) => !rules.includes(rule));
  if (absent.length > 0) found.push(`expected ${absent.join(', ')} to decide, got ${rules.join(', ') || 'no rule'}`);
  if (test.rules?.length === 0 && rules.length > 0) found.push(`expected no rule to decide, got ${rules.join(', ')}`);
  const obligations = decision === null || decision.effect === 'deny' ? [] : decision.obligations;
  if (test.masks !== undefined) {
    const masks = obligations.flatMap((one) =>
      one.kind === 'mask' ? [[shortId(one.column.id), printMask(one.mask)] as const] : [],
    );
    const got = JSON.stringify(masks.toSorted());
    const wanted = JSON.stringify(
      Object.entries(test.masks)
        .map(([column, mask]) => [shortId(column), mask.replaceAll(' ', '')])
        .toSorted(),
    );
    if (got !== wanted) found.push(`expected masks ${wanted}, got ${got}`);
  }
  if (test.rows !== undefined) {
    const limit = obligations.find((one) => one.kind === 'limit-rows');
    if (limit?.rows_max !== test.rows)
      found.push(`expected at most ${test.rows} rows, got ${limit?.rows_max ?? 'no limit'}`);
  }
  return found.join('; ');
}

/** `crm/public.customers.ssn` may be written without its target. */
function shortId(column: string): string {
  return column.replace(/^[^/]*\//, '');
}

function principalOf(as: TestedPrincipal, depth: number): Principal {
  if (depth > DELEGATION_LINKS_MAX) throw new Error(`more than ${DELEGATION_LINKS_MAX} links of on_behalf_of`);
  const kind = as.agent !== undefined ? 'agent' : as.workload !== undefined ? 'workload' : 'human';
  const id = nameOf(as);
  const onBehalfOf = as.on_behalf_of === undefined ? null : principalOf(as.on_behalf_of, depth + 1);
  return {
    kind,
    id: id.includes('/') ? id : `test/${id}`,
    name: id,
    provider: id.includes('/') ? (id.split('/', 1)[0] ?? 'test') : 'test',
    groups: as.groups,
    claims: as.claims,
    person: kind === 'human' ? id : (as.person ?? onBehalfOf?.person ?? null),
    onBehalfOf,
    mayApprove: kind === 'human' || (kind === 'workload' && as.may_approve),
  };
}

function actionOf(principal: Principal, target: TargetName, tested: TestedAction, given: Given): Action {
  const { classification, protocol, resource, text } = tested;
  const session: Action['session'] = {
    ...{ id: 'test', runId: null, protocol, principal, target, resource },
    ...{ database: '', role: '', clientAddress: '127.0.0.1', clientName: 'test', startedAt: given.now, endsAt: null },
    justification: given.justification,
  };
  return {
    ...{ id: 'test', session, runId: null, sequence: 1, protocol, target, principal, at: given.now },
    ...{ classification, kind: 'query', text, parameters: [], state: '' },
  };
}

function nameOf(as: TestedPrincipal): string {
  return as.human ?? as.workload ?? as.agent ?? '';
}

function textOf(doing: unknown): string {
  return typeof doing === 'string' ? doing : JSON.stringify(doing);
}

interface TestedPrincipal {
  readonly human?: string | undefined;
  readonly workload?: string | undefined;
  readonly agent?: string | undefined;
  readonly groups: readonly string[];
  readonly claims: Readonly<Record<string, readonly string[]>>;
  readonly person?: string | undefined;
  readonly may_approve: boolean;
  readonly on_behalf_of?: TestedPrincipal | undefined;
}

const NAMES = ['human', 'workload', 'agent'] as const;
const PRINCIPAL: z.ZodType<TestedPrincipal> = z
  .strictObject({
    human: z.string().min(1).optional(),
    workload: z.string().min(1).optional(),
    agent: z.string().min(1).optional(),
    groups: z.array(z.string()).default([]),
    claims: z.record(z.string(), z.array(z.string())).default({}),
    person: z.string().optional(),
    may_approve: z.boolean().default(false),
    get on_behalf_of() {
      return PRINCIPAL.optional();
    },
  })
  .refine(
    (as) => NAMES.filter((name) => as[name] !== undefined).length === 1,
    'exactly one of human, workload and agent',
  );

const TEST = z.strictObject({
  name: z.string().optional(),
  as: PRINCIPAL,
  on: z.string().min(1).optional(),
  do: z.union([z.string(), z.record(z.string(), z.json())]),
  given: z
    .strictObject({
      justification: z.string().default(''),
      approvedBy: z.array(z.string()).default([]),
      analyzedBy: z.array(z.string()).default([]),
      at: z.iso.datetime().optional(),
    })
    .prefault({}),
  expect: z.enum(['allow', 'refuse', 'justification', 'analyzer', 'step-up', 'approval']),
  rules: z.array(z.string()).optional(),
  masks: z.record(z.string(), z.string()).optional(),
  rows: z.number().int().positive().optional(),
});
type PolicyTest = z.infer<typeof TEST>;
