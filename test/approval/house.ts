import { type Approval, createApproval } from '../../src/approval/approval.ts';
import type { AskOutcome, Question, RequestView } from '../../src/approval/stage.ts';
import { LIMITS, type Limits } from '../../src/core/limits.ts';
import { actionOf, edSigner, human, manualClock, memoryRecord, memoryStore, questionOf, sessionOf } from './fakes.ts';

export const ALICE = human('alice');
export const BOB = human('bob', ['dba']);
export const CAROL = human('carol', ['dba']);

/** The room with everything it needs in memory. */
export function house(limits: Partial<Limits> = {}) {
  const ports = { store: memoryStore(), record: memoryRecord(), signer: edSigner(), clock: manualClock() };
  const faults: unknown[] = [];
  let next = 0;
  const start = (run: string): Approval =>
    createApproval(
      { ...ports, newId: () => `request-${++next}`, onFault: (fault) => faults.push(fault) },
      { gateway: 'gw', run, limits: { ...LIMITS, ...limits } },
    );
  return { ...ports, faults, start, approval: start('run-1') };
}

export type House = ReturnType<typeof house>;

export interface Asking {
  readonly outcome: Promise<AskOutcome>;
  readonly filed: Promise<RequestView>;
  readonly abort: AbortController;
}

export function ask(
  { approval }: Pick<House, 'approval'>,
  question: Question = questionOf([actionOf(sessionOf(ALICE), 'update customers set name = 1')]),
  recheck: () => Question | Promise<Question> = () => question,
): Asking {
  const abort = new AbortController();
  const { promise, resolve } = Promise.withResolvers<RequestView>();
  return { outcome: approval.ask(question, abort.signal, resolve, async () => recheck()), filed: promise, abort };
}

export const kinds = ({ record }: House): readonly string[] =>
  record.entries.map(({ envelope }) =>
    `${envelope.kind} ${envelope.facts.state ?? envelope.facts.decision ?? ''}`.trim(),
  );
