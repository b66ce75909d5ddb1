import type { Envelope, Sealed } from '../audit/stage.ts';
import type { Action, Classification } from '../core/action.ts';
import type { RuleId } from '../core/ids.ts';
import type { JsonValue } from '../core/json.ts';
import { delegationChain } from '../core/principal.ts';
import type { Reason } from '../core/verdict.ts';

/** What an action's entry says openly: ids, counts and rule ids, never its text. */
export function actionEnvelope(
  action: Action,
  verdict: 'forward' | 'refuse' | 'ask' | 'observed',
  rules: readonly RuleId[],
  reason: Reason | null,
): Envelope {
  const { classification, session } = action;
  return {
    kind: action.kind === 'parse' ? 'prepared' : 'action',
    at: action.at,
    session: session.id,
    run: action.runId,
    principal: action.principal.id,
    target: action.target,
    verb: classification.verb,
    resources: resourceIds(classification),
    verdict,
    rules,
    sizes: { text: action.text.length, parameters: action.parameters.length, sequence: action.sequence },
    of: null,
    facts:
      reason === null
        ? { kind: action.kind, clarity: classification.clarity }
        : { kind: action.kind, clarity: classification.clarity, code: reason.code, request: reason.request },
  };
}

/** What may have to be erased or sealed: texts and values. */
export function actionSealed(action: Action, reason: Reason | null, shown: string | null): Sealed {
  const sealed: Record<string, JsonValue> = { text: utf8(action.text) };
  if (shown !== null) sealed.shown = shown;
  if (action.parameters.length > 0) sealed.parameters = action.parameters.map(readable);
  if (action.state !== '') sealed.state = action.state;
  if (action.session.justification !== '') sealed.justification = action.session.justification;
  const chain = delegationChain(action.principal);
  if (chain.length > 1) sealed.onBehalfOf = chain.slice(1).map((link) => link.id);
  if (reason !== null) sealed.why = reason.why;
  return sealed;
}

function readable(parameter: Action['parameters'][number]): JsonValue {
  if (parameter.value === null) return null;
  if (parameter.format === 'text') return utf8(parameter.value);
  return { type: parameter.type, hex: Buffer.from(parameter.value).toString('hex') };
}

/** A classification is one object for all its statements, so its list of ids is made once. */
function resourceIds(classification: Classification): readonly string[] {
  let ids = knownIds.get(classification);
  if (ids === undefined) {
    const distinct = new Set<string>();
    for (const touch of classification.touches) distinct.add(touch.resource.id);
    for (const { column } of classification.uses) distinct.add(column.id);
    ids = [...distinct];
    if (ids.length > RESOURCES_NAMED_MAX) {
      ids = [...ids.slice(0, RESOURCES_NAMED_MAX), `and ${ids.length - RESOURCES_NAMED_MAX} more`];
    }
    knownIds.set(classification, ids);
  }
  return ids;
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

const knownIds = new WeakMap<Classification, readonly string[]>();
/** An entry is at most 60 KiB; the text itself is in the sealed part. */
const RESOURCES_NAMED_MAX = 200;
