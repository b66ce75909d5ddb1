import type { ExplainInput, Explanation } from '../api/contract.ts';
import type { Action } from '../core/action.ts';
import { GatewayError } from '../core/errors.ts';
import { printMask } from '../core/mask.ts';
import type { Principal } from '../core/principal.ts';
import type { Mask } from '../core/verdict.ts';
import type { Catalogues } from '../gateway/catalogues.ts';
import type { Target } from '../gateway/targets.ts';
import type { Catalogue } from '../protocols/sql/catalogue.ts';
import type { Classifier } from '../protocols/sql/statement.ts';
import type { Generation } from './current.ts';

/** A statement asked about, not sent: classified against the target's real catalogue, by somebody real or made up. */
export async function hypothetical(
  input: Pick<ExplainInput, 'as' | 'target' | 'database' | 'statement' | 'justification'>,
  rooms: {
    readonly generation: Generation;
    readonly catalogues: Catalogues;
    readonly classifier: Classifier;
    now(): number;
  },
): Promise<Action> {
  const target = rooms.generation.targets.get(input.target);
  if (target === undefined) throw new GatewayError('NOT_FOUND', `there is no target ${input.target}`);
  const database = input.database ?? target.database;
  // Compose made the catalogues of exactly this type.
  const catalogue = (await rooms.catalogues.current(target.name, database)) as Catalogue;
  const text = Buffer.from(input.statement);
  const context = { catalogue, searchPath: catalogue.searchPath, prepared: () => null, cursor: () => null };
  const statement = rooms.classifier.statement(text, context);
  const principal = imagined(input.as);
  const at = rooms.now();
  return {
    classification: statement.classification,
    kind: 'query',
    text,
    parameters: [],
    state: '',
    id: 'explain.1',
    session: {
      id: 'explain',
      runId: null,
      protocol: target.protocol,
      principal,
      target: target.name,
      resource: catalogue.target,
      database,
      role: roleOf(target),
      clientAddress: '127.0.0.1',
      clientName: 'policy explain',
      startedAt: at,
      endsAt: null,
      justification: input.justification,
    },
    runId: null,
    sequence: 1,
    protocol: target.protocol,
    target: target.name,
    principal,
    at,
  };
}

export function explain(action: Action, input: ExplainInput, generation: Generation, now: number): Explanation {
  const given = { approvedBy: input.approvedBy, analyzedBy: [], justification: input.justification, now };
  const decision = generation.policy.decide(action, given);
  const { verb, clarity, touches, findings } = action.classification;
  const masks: Record<string, string> = {};
  const obligations = decision.effect === 'deny' ? [] : decision.obligations;
  for (const obligation of obligations) {
    if (obligation.kind === 'mask') masks[obligation.column.id] = printMask(obligation.mask satisfies Mask);
  }
  return {
    verdict: decision.effect,
    rules: [...decision.rules],
    why: decision.effect === 'deny' ? decision.reason.why : '',
    hint: decision.effect === 'deny' ? decision.reason.hint : '',
    cures: decision.effect === 'ask' ? decision.cures.map(({ kind, rule, message }) => ({ kind, rule, message })) : [],
    masks,
    verb,
    clarity,
    touches: touches.map((touch) => ({ action: touch.action, resource: touch.resource.id })),
    findings: [...findings],
    observed: decision.effect !== 'deny' && decision.observed !== null,
  };
}

/** Somebody with just these groups. An agent acts for a human of its own groups, so that both are asked. */
function imagined(as: ExplainInput['as']): Principal {
  const provider = as.id.includes('/') ? as.id.slice(0, as.id.indexOf('/')) : 'explain';
  const id = as.id.includes('/') ? as.id : `explain/${as.id}`;
  const base = { name: as.id, provider, groups: as.groups, claims: {}, mayApprove: as.kind === 'human' };
  if (as.kind !== 'agent') return { ...base, kind: as.kind, id, person: id, onBehalfOf: null };
  const human = as.onBehalfOf ?? 'somebody';
  const onBehalfOf: Principal = {
    ...base,
    kind: 'human',
    id: `explain/${human}`,
    name: human,
    person: human,
    onBehalfOf: null,
  };
  return { ...base, kind: 'agent', id, person: human, onBehalfOf };
}

function roleOf(target: Target): string {
  return target.credentials.at(-1)?.user ?? '';
}
