import { z } from 'zod';

/** What crosses the API, as schemas and as types. The console imports only the types. Times are milliseconds since 1970. */

/** What a schema gives, to be read and not written. */
export type View<Schema extends z.ZodType> = Frozen<z.output<Schema>>;
type Frozen<Value> = Value extends object ? { readonly [Key in keyof Value]: Frozen<Value[Key]> } : Value;

const epochMs = z.number().int();
const texts = z.array(z.string());

export const principalView = z.object({
  id: z.string(),
  kind: z.enum(['human', 'workload', 'agent']),
  name: z.string(),
  provider: z.string(),
  groups: texts,
  person: z.string().nullable(),
  onBehalfOf: texts,
  mayApprove: z.boolean(),
});
export type PrincipalView = View<typeof principalView>;

export const whoamiView = z.object({
  caller: z.enum(['operator', 'principal']),
  principal: principalView.nullable(),
  /** What was shown: `token:ID`, `oidc:okta`; never the secret. */
  by: z.string(),
  endsAt: epochMs.nullable(),
  /** Targets that are decided and recorded, but not enforced. */
  notEnforced: z.array(z.object({ target: z.string(), until: epochMs })),
});
export type WhoamiView = View<typeof whoamiView>;

export const targetView = z.object({
  name: z.string(),
  protocol: z.string(),
  database: z.string(),
  labels: z.record(z.string(), z.string()),
  mode: z.enum(['enforce', 'observe']),
  observeUntil: epochMs.nullable(),
  /** A command line that reaches it, without the secret. */
  connect: z.string().nullable(),
});
export type TargetView = View<typeof targetView>;

export const sessionView = z.object({
  id: z.string(),
  state: z.enum(['live', 'ended']),
  protocol: z.string(),
  principal: z.string(),
  person: z.string().nullable(),
  onBehalfOf: texts,
  target: z.string(),
  database: z.string(),
  role: z.string(),
  clientAddress: z.string(),
  clientName: z.string(),
  startedAt: epochMs,
  endedAt: epochMs.nullable(),
  endedWhy: z.string().nullable(),
  actions: z.number().int(),
  refused: z.number().int(),
});
export type SessionView = View<typeof sessionView>;

/** One entry of the record, as people read it. */
export const recordEvent = z.object({
  entry: z.number().int(),
  at: epochMs,
  kind: z.string(),
  session: z.string().nullable(),
  principal: z.string().nullable(),
  target: z.string().nullable(),
  verb: z.string().nullable(),
  verdict: z.enum(['forward', 'refuse', 'ask', 'observed']).nullable(),
  rules: texts,
  resources: texts,
  /** The statement with its parameters; `null` where there is none, or it was erased. */
  text: z.string().nullable(),
  /** Why it was refused or failed. */
  code: z.string().nullable(),
  message: z.string().nullable(),
  sizes: z.record(z.string(), z.number()),
  /** Public facts particular to the kind: for `admin`, what was done to what. */
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).optional(),
  /** The entry this one is about. */
  of: z.number().int().nullable(),
});
export type RecordEvent = View<typeof recordEvent>;

/** An event with what the client saw: masked, and only as far as it was kept. */
export const replayEvent = recordEvent.extend({ result: z.string().nullable() });
export type ReplayEvent = View<typeof replayEvent>;

export const requestView = z.object({
  id: z.string(),
  state: z.enum(['pending', 'approved', 'denied', 'expired', 'cancelled', 'used']),
  principal: z.string(),
  person: z.string().nullable(),
  onBehalfOf: texts,
  /** Everyone behind it: none of them may decide it. */
  persons: texts,
  target: z.string(),
  database: z.string(),
  role: z.string(),
  session: z.string(),
  rules: texts,
  message: z.string(),
  approvers: z.array(texts),
  count: z.number().int(),
  statements: z.array(z.object({ text: z.string(), times: z.number().int(), parameters: z.array(texts) })),
  /** What to look at twice: characters that hide, look-alikes, bytes that are no text. */
  findings: texts,
  resources: texts,
  justification: z.string(),
  notCovered: z.string(),
  inTransaction: z.boolean(),
  createdAt: epochMs,
  expiresAt: epochMs,
  decisions: z.array(
    z.object({
      by: z.string(),
      person: z.string(),
      decision: z.enum(['approve', 'deny']),
      reason: z.string(),
      at: epochMs,
    }),
  ),
  digest: z.string(),
});

export const decisionInput = z.strictObject({
  decision: z.enum(['approve', 'deny']),
  reason: z.string().max(4096).default(''),
  /** What the decider saw: a request that has changed since is not decided. */
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});

export const tokenView = z.object({
  id: z.string(),
  account: z.string(),
  createdAt: epochMs,
  createdBy: z.string(),
  expiresAt: epochMs,
  revokedAt: epochMs.nullable(),
});
export type TokenView = View<typeof tokenView>;

export const tokenInput = z.strictObject({
  account: z.string().min(1).max(63),
  ttl_ms: z
    .number()
    .int()
    .min(1_000)
    .max(366 * 24 * 3_600_000),
  /** An agent's token names whom it acts for. */
  onBehalfOf: z.string().min(1).max(300).optional(),
});

/** The token stands here and nowhere else: it is not kept. */
export const tokenCreated = z.object({ id: z.string(), token: z.string(), account: z.string(), expiresAt: epochMs });
export type TokenCreated = View<typeof tokenCreated>;

export const revokeInput = z.strictObject({ principal: z.string().min(1).max(300) });
export const revokedView = z.object({ principal: z.string(), sessionsEnded: z.number().int() });

const policyFile = z.strictObject({ file: z.string().min(1).max(300), text: z.string() });

/** Who is asked about: somebody known by id, or made up for the question. */
export const asInput = z.strictObject({
  kind: z.enum(['human', 'workload', 'agent']).default('human'),
  id: z.string().min(1).max(300),
  groups: texts.default([]),
  onBehalfOf: z.string().max(300).optional(),
});

export const explainInput = z.strictObject({
  as: asInput,
  target: z.string().min(1).max(63),
  database: z.string().max(63).optional(),
  statement: z.string().min(1),
  approvedBy: texts.default([]),
  justification: z.string().default(''),
});
export type ExplainInput = View<typeof explainInput>;

export const explanation = z.object({
  verdict: z.enum(['allow', 'ask', 'deny']),
  rules: texts,
  why: z.string(),
  hint: z.string(),
  cures: z.array(z.object({ kind: z.string(), rule: z.string(), message: z.string() })),
  masks: z.record(z.string(), z.string()),
  /** What the statement was understood to do. */
  verb: z.string(),
  clarity: z.string(),
  touches: z.array(z.object({ action: z.string(), resource: z.string() })),
  findings: texts,
  /** The target or the rule is only observed: it would pass. */
  observed: z.boolean(),
});
export type Explanation = View<typeof explanation>;

export const policyTestInput = z.strictObject({
  tests: z.array(policyFile).min(1).max(1_000),
  /** Policies to test in place of those in force. */
  policies: z.array(policyFile).max(5_000).optional(),
});
export type PolicyTestInput = View<typeof policyTestInput>;

export const policyTestView = z.object({
  passed: z.number().int(),
  failed: z.number().int(),
  cases: z.array(z.object({ file: z.string(), name: z.string(), passed: z.boolean(), message: z.string().nullable() })),
});
export type PolicyTestView = View<typeof policyTestView>;

export const observedView = z.object({
  rule: z.string().nullable(),
  target: z.string(),
  principal: z.string(),
  code: z.string(),
  why: z.string(),
  count: z.number().int(),
  firstAt: epochMs,
  lastAt: epochMs,
});
export type ObservedView = View<typeof observedView>;

export const policySetView = z.object({
  digest: z.string(),
  epoch: z.number().int(),
  rules: z.array(
    z.object({
      id: z.string(),
      effect: z.enum(['permit', 'forbid']),
      file: z.string(),
      cure: z.string().nullable(),
      mode: z.enum(['enforce', 'observe']),
      text: z.string(),
    }),
  ),
});
export type PolicySetView = View<typeof policySetView>;

export const checkpointView = z.object({ checkpoint: z.string(), vkey: z.string(), size: z.number().int() });
export type CheckpointView = View<typeof checkpointView>;

/** A tree's proof (RFC 6962) that an entry is in the log a checkpoint signs. */
export const proofView = z.object({
  entry: z.number().int(),
  leaf: z.string(),
  path: texts,
  checkpoint: z.string(),
});
export type ProofView = View<typeof proofView>;

export const readyView = z.object({ ready: z.boolean(), waiting: texts });
export type ReadyView = View<typeof readyView>;

/** A refusal or failure (RFC 9457), in the shape every surface uses. */
export const problemView = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string(),
  rule: z.string().nullable(),
  why: z.string(),
  hint: z.string(),
  /** What would pass instead. */
  allowed_instead: texts,
  cure: z.string().nullable(),
  retry: z.enum(['never', 'after-edit', 'after-approval', 'later']),
  request: z.string().nullable(),
  /** Where several things are wrong at once: each, with its place. */
  problems: texts,
});
export type ProblemView = View<typeof problemView>;

export function page<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}

/** What a live tail sends, by the name of the SSE event. */
export type TailEvent =
  | { readonly event: 'entry'; readonly data: RecordEvent }
  | { readonly event: 'end'; readonly data: { readonly why: string } }
  | { readonly event: 'dropped'; readonly data: { readonly why: string } };
