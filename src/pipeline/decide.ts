import type { ApprovalStage, AskOutcome, Question } from '../approval/stage.ts';
import type { RecordStage } from '../audit/stage.ts';
import type { Action } from '../core/action.ts';
import { GatewayError } from '../core/errors.ts';
import type { EntryIndex, EpochMs, RuleId } from '../core/ids.ts';
import type { Cure, Decision, Reason, Verdict } from '../core/verdict.ts';
import type { Given, PolicyStage } from '../policy/stage.ts';
import { mint, spend } from './clearance.ts';
import { actionEnvelope, actionSealed } from './entries.ts';
import { shownText } from './shown.ts';
import type { AskOptions, Pipeline } from './stage.ts';

export interface PipelineRooms {
  readonly policy: PolicyStage;
  readonly approval: ApprovalStage;
  readonly record: RecordStage;
  /** What an approver sees of an action. */
  display(action: Action): string;
  /** A text for each object the actions resolve to, which differs once its definition does. Read from the target itself. */
  versions(actions: readonly Action[]): Promise<readonly string[]>;
  /** The text with its literals taken out; `null` where nobody can tell them apart. */
  withoutLiterals(text: Uint8Array): string | null;
  now(): EpochMs;
  /** Something inside failed that should not have; the action was refused. */
  onFault(fault: unknown): void;
}

/**
 * The one decision point. Stages in order, the strictest wins, whatever is thrown is a refusal; the record is the last
 * stage, and only what it has written gets a clearance.
 */
export function createPipeline(rooms: PipelineRooms): Pipeline {
  const { policy } = rooms;

  function decide(action: Action): Verdict | Promise<Verdict> {
    try {
      const decision = policy.decide(action, given(rooms, action, []));
      if (decision.effect === 'deny') return refuse(rooms, action, decision.reason, decision.rules);
      // A text that is only prepared is judged as if every cure were given: what it asks for is asked when it is bound.
      if (decision.effect === 'allow' || action.kind === 'parse') return pass(rooms, action, decision);
      const missing = decision.cures.find((cure) => cure.kind !== 'approval');
      if (missing !== undefined) return refuse(rooms, action, notGiven(missing), decision.rules);
      return { outcome: 'ask', cures: decision.cures };
    } catch (fault) {
      return fail(rooms, action, fault);
    }
  }

  async function ask(actions: readonly Action[], options: AskOptions): Promise<readonly Verdict[]> {
    try {
      const question = await questionOf(rooms, actions, options.inTransaction);
      // Between the verdict `ask` and now the policy may have changed, so that nobody need be asked any more.
      if (question.cures.length === 0) return await Promise.all(actions.map((action) => decide(action)));
      const answer = await rooms.approval.ask(question, options.signal, options.filed, () =>
        questionOf(rooms, actions, options.inTransaction),
      );
      return await settle(rooms, actions, question, answer);
    } catch (fault) {
      return actions.map((action) => fail(rooms, action, fault));
    }
  }

  return { decide, ask, spend };
}

/** After people have spoken the policy is asked again, with what was really given; the last evaluation decides. */
async function settle(
  rooms: PipelineRooms,
  actions: readonly Action[],
  question: Question,
  answer: AskOutcome,
): Promise<readonly Verdict[]> {
  const approvedBy = question.cures.map((cure) => cure.rule);
  if (answer.outcome === 'refused') return actions.map((action) => refuse(rooms, action, answer.reason, approvedBy));
  const decisions = actions.map((action) => rooms.policy.decide(action, given(rooms, action, approvedBy)));
  // One request, one answer: when any of its actions may not pass after all, none does.
  const against = decisions.find((decision) => decision.effect !== 'allow');
  if (against !== undefined) {
    const reason = against.effect === 'deny' ? against.reason : changed(answer.request, against.rules[0] ?? null);
    return actions.map((action) => refuse(rooms, action, { ...reason, request: answer.request }, against.rules));
  }
  const verdicts: Verdict[] = [];
  for (const [index, action] of actions.entries()) {
    const decision = decisions[index];
    if (decision === undefined || decision.effect === 'deny')
      throw new Error('an approved action without its decision');
    verdicts.push(await pass(rooms, action, decision));
  }
  return verdicts;
}

async function questionOf(rooms: PipelineRooms, actions: readonly Action[], inTransaction: boolean): Promise<Question> {
  const cures = new Map<RuleId, Cure & { kind: 'approval' }>();
  const versions = new Set<string>();
  for (const action of actions) {
    const decision = rooms.policy.decide(action, given(rooms, action, []));
    if (decision.effect === 'deny') throw new GatewayError('APPROVAL_CHANGED', decision.reason.why);
    if (decision.effect === 'allow') continue;
    for (const cure of decision.cures) if (cure.kind === 'approval') cures.set(cure.rule, cure);
  }
  if (cures.size > 0) for (const version of await rooms.versions(actions)) versions.add(version);
  for (const rule of cures.keys()) versions.add(`rule ${rule} ${rooms.policy.ruleDigest(rule) ?? 'gone'}`);
  return {
    actions,
    cures: [...cures.values()],
    inTransaction,
    displays: actions.map((action) => rooms.display(action)),
    versions: [...versions],
  };
}

function pass(
  rooms: PipelineRooms,
  action: Action,
  decision: Exclude<Decision, { effect: 'deny' }>,
): Verdict | Promise<Verdict> {
  const { record } = rooms;
  if (!record.accepting()) return refuse(rooms, action, recordUnavailable('the disk that holds the log is full'), []);
  const observed = decision.observed;
  const verdict = observed === null ? 'forward' : 'observed';
  let entry: EntryIndex;
  try {
    entry = record.append(
      actionEnvelope(action, verdict, decision.rules, observed),
      actionSealed(action, observed, shownText(action, rooms.withoutLiterals)),
    );
  } catch (fault) {
    rooms.onFault(fault);
    return refuse(rooms, action, recordUnavailable('the action could not be written to the log'), []);
  }
  const forward: Verdict = {
    outcome: 'forward',
    clearance: mint(entry),
    // What is only observed has left them already; what is enforced beside it stays.
    obligations: decision.obligations,
    rules: decision.rules,
    observed,
  };
  const { verb } = action.classification;
  const syncing = record.durable(entry, verb === 'read' || verb === 'open' ? 'read' : 'other');
  if (syncing === undefined) return forward;
  return syncing.then(
    () => forward,
    (fault): Verdict => {
      rooms.onFault(fault);
      return { outcome: 'refuse', reason: recordUnavailable('the log could not be synced'), entry };
    },
  );
}

/** A refusal is recorded too, but stands whether that succeeds or not. */
function refuse(rooms: PipelineRooms, action: Action, reason: Reason, rules: readonly RuleId[]): Verdict {
  try {
    const entry = rooms.record.append(
      actionEnvelope(action, 'refuse', rules, reason),
      actionSealed(action, reason, shownText(action, rooms.withoutLiterals)),
    );
    return { outcome: 'refuse', reason, entry };
  } catch (fault) {
    rooms.onFault(fault);
    return { outcome: 'refuse', reason, entry: null };
  }
}

function fail(rooms: PipelineRooms, action: Action, fault: unknown): Verdict {
  if (fault instanceof GatewayError) return refuse(rooms, action, reasonOf(fault), []);
  rooms.onFault(fault);
  return refuse(rooms, action, BROKEN, []);
}

function given(rooms: PipelineRooms, action: Action, approvedBy: readonly RuleId[]): Given {
  return { approvedBy, analyzedBy: NOBODY, justification: action.session.justification, now: rooms.now() };
}

function notGiven(cure: Cure): Reason {
  const base = { rule: cure.rule, request: null, cure: cure.kind };
  switch (cure.kind) {
    case 'justification':
      return {
        ...base,
        code: 'JUSTIFICATION_MISSING',
        why: cure.message,
        hint: "say why, then repeat it: set sallyport.justification = 'INC-1 what for'",
        retry: 'after-edit',
      };
    case 'analyzer':
      return {
        ...base,
        code: 'ANALYZER_MISSING',
        why: `${cure.message} (analyzer profile "${cure.profile}" is not running)`,
        hint: 'no analyzer is configured on this gateway; the rule wants one',
        retry: 'never',
      };
    case 'step-up':
      return {
        ...base,
        code: 'STEP_UP_MISSING',
        why: cure.message,
        hint: 'the rule wants a fresh login, which this gateway cannot ask for on this connection',
        retry: 'never',
      };
    case 'approval':
      throw new Error('an approval is asked for, not missing');
  }
}

function changed(request: string, rule: RuleId | null): Reason {
  return {
    code: 'APPROVAL_CHANGED',
    rule,
    why: `request ${request} was approved, but the policy now asks for more`,
    hint: 'send it again: a new request will be filed',
    cure: 'approval',
    retry: 'after-approval',
    request,
  };
}

function recordUnavailable(why: string): Reason {
  return {
    code: 'RECORD_UNAVAILABLE',
    rule: null,
    why,
    hint: 'nothing passes that cannot be recorded; tell whoever runs the gateway',
    cure: null,
    retry: 'later',
    request: null,
  };
}

function reasonOf(error: GatewayError): Reason {
  return { code: error.code, rule: null, why: error.message, hint: '', cure: null, retry: 'later', request: null };
}

const NOBODY: readonly string[] = [];

const BROKEN: Reason = {
  code: 'POLICY_BROKEN',
  rule: null,
  why: 'the gateway failed while deciding, so it refused',
  hint: 'tell whoever runs the gateway; the target has seen nothing of it',
  cure: null,
  retry: 'later',
  request: null,
};
