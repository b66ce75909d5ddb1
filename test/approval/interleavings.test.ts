import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createApproval } from '../../src/approval/approval.ts';
import type { ApprovalRequest, ReceiptSigner } from '../../src/approval/ports.ts';
import { isFulfilled, TRANSITIONS } from '../../src/approval/request.ts';
import type { AskOutcome } from '../../src/approval/stage.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { actionOf, cureOf, human, manualClock, memoryRecord, memoryStore, questionOf, sessionOf } from './fakes.ts';

/**
 * Everything that several people, a clock and a restart can do to one request, in every order that the scheduler finds:
 * each access to the store and the record is a place where the others may come in between.
 */
const HAPPENINGS = [
  'bob',
  'carol',
  'bob again',
  'deny',
  'alice',
  'abort',
  'expire',
  'restart',
  'poll',
  'close',
] as const;
type Happening = (typeof HAPPENINGS)[number];

const DENIER = human('dave', ['dba']);
const PEOPLE = {
  bob: human('bob', ['dba']),
  carol: human('carol', ['dba']),
  // The same person by another account.
  'bob again': human('bob-admin', ['dba'], { person: 'okta/bob' }),
  alice: human('alice', ['dba']),
};

test('an approval is used at most once, and only while other people approve and somebody waits', async () => {
  const seen = { approved: 0, refused: 0, schedules: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.uniqueArray(fc.constantFrom(...HAPPENINGS), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 2 }),
      async (scheduler, happenings, count) => {
        seen.schedules++;
        const outcome = await play(scheduler, happenings, count);
        seen[outcome.outcome]++;
      },
    ),
    { numRuns: 3_000 },
  );
  // The schedules have to reach both ends, or they show nothing.
  expect(seen.schedules).toBeGreaterThanOrEqual(3_000);
  expect(seen.approved).toBeGreaterThan(200);
  expect(seen.refused).toBeGreaterThan(200);
}, 120_000);

async function play(scheduler: fc.Scheduler, happenings: readonly Happening[], count: number): Promise<AskOutcome> {
  const pause = async (label: string): Promise<void> => scheduler.schedule(Promise.resolve(), label);
  const store = memoryStore(pause);
  const record = memoryRecord(pause);
  const clock = manualClock();
  const abort = new AbortController();
  /** How it was when the answer came. */
  const then = { isLate: false, isAborted: false };
  const ports = { store, record, clock, signer: plainSigner(), newId: () => 'request-1', onFault: () => {} };
  const start = (run: string) => createApproval(ports, { gateway: 'gw', run, limits: LIMITS });
  const approval = start('run-1');
  const question = questionOf([actionOf(sessionOf(PEOPLE.alice), 'update t set a = 1')], {
    cures: [cureOf({ count, within_ms: 60_000 })],
  });
  const recheck = async () => {
    await pause('recheck');
    return question;
  };
  const filed = Promise.withResolvers<void>();
  const asking = approval.ask(question, abort.signal, () => filed.resolve(), recheck);
  const answered = asking.then((outcome) => {
    then.isAborted = abort.signal.aborted;
    then.isLate = clock.now() >= 1_000_000 + 60_000;
    filed.resolve();
    return outcome;
  });

  const happen = async (happening: Happening): Promise<void> => {
    await filed.promise;
    await pause(happening);
    if (happening === 'abort') abort.abort();
    else if (happening === 'expire') clock.advance(60_000);
    else if (happening === 'poll') clock.advance(1_000);
    else if (happening === 'close') approval.close();
    else if (happening === 'restart') await start('run-2').recover();
    else {
      const isDenial = happening === 'deny';
      const by = isDenial ? DENIER : PEOPLE[happening];
      await approval.decide('request-1', by, isDenial ? 'deny' : 'approve', 'because').catch((error) => {
        if (!(error instanceof GatewayError)) throw error;
      });
    }
  };
  const all = Promise.all(happenings.map(happen));
  await scheduler.waitFor(all);
  // Whatever still waits is left to the clock.
  await scheduler.waitIdle();
  clock.advance(120_000);
  const outcome = await scheduler.waitFor(answered);
  const kinds = record.entries.map(({ envelope }) => envelope.kind);
  check(outcome, store.history, kinds, then);
  return outcome;
}

function check(
  outcome: AskOutcome,
  history: readonly ApprovalRequest[],
  kinds: readonly string[],
  then: { readonly isLate: boolean; readonly isAborted: boolean },
): void {
  const used = history.filter(({ state }) => state === 'used');
  const receipts = kinds.filter((kind) => kind === 'receipt').length;
  expect(used.length).toBeLessThanOrEqual(1);
  expect(receipts).toBe(used.length);
  for (const [at, after] of history.entries()) {
    const before = history[at - 1];
    if (before === undefined) continue;
    expect(after.version).toBe(before.version + 1);
    const allowed: readonly string[] = [before.state, ...Object.values(TRANSITIONS[before.state])];
    expect(allowed).toContain(after.state);
    expect(Object.keys(TRANSITIONS[before.state])).not.toEqual([]);
  }
  const last = history.at(-1);
  expect(last?.state).not.toBe('pending');
  expect(last?.state).not.toBe('approved');
  if (outcome.outcome === 'refused') return;
  expect(last?.state).toBe('used');
  expect(then).toEqual({ isLate: false, isAborted: false });
  const votes = last?.votes ?? [];
  expect(isFulfilled(last?.requirements ?? [], votes, ['okta/alice'])).toBe(true);
  expect(votes.map(({ person }) => person)).not.toContain('okta/alice');
  expect(new Set(votes.map(({ person }) => person)).size).toBe(votes.length);
  expect(votes.every(({ at }) => at < (last?.expiresAt ?? 0))).toBe(true);
}

/** Signatures are not what is tried here; a checksum keeps thousands of schedules quick. */
function plainSigner(): ReceiptSigner {
  const sum = (bytes: Uint8Array): Uint8Array =>
    Buffer.from(`${bytes.length}:${bytes.reduce((a, b) => (a * 31 + b) | 0, 7)}`);
  return { sign: sum, verify: (bytes, signature) => Buffer.from(sum(bytes)).equals(signature) };
}
