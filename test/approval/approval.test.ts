import { describe, expect, test } from 'vitest';
import { readReceipt } from '../../src/approval/receipt.ts';
import type { Question } from '../../src/approval/stage.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { LIMITS } from '../../src/core/limits.ts';
import type { Principal } from '../../src/core/principal.ts';
import { actionOf, agent, cureOf, human, questionOf, sessionOf, settle } from './fakes.ts';
import { ALICE, ask, BOB, CAROL, house, kinds } from './house.ts';

describe('a held action', () => {
  test('passes once somebody else has approved it, and the record tells how', async () => {
    const at = house();
    const { outcome, filed } = ask(at);
    const request = await filed;
    expect(request).toMatchObject({ id: 'request-1', state: 'pending', principal: ALICE.id, approvers: [['dba']] });
    const view = await at.approval.decide(request.id, BOB, 'approve', '');
    expect(view).toMatchObject({ state: 'approved', decisions: [{ by: BOB.id, decision: 'approve' }] });
    const approved = await outcome;
    if (approved.outcome !== 'approved') throw new Error('refused');
    expect(approved.by).toEqual([BOB.id]);
    expect(readReceipt(at.signer, approved.receipt)).toMatchObject({ request: request.id, digest: request.digest });
    expect((await at.approval.show(request.id))?.state).toBe('used');
    expect(kinds(at)).toEqual(['request pending', 'decision approve', 'receipt']);
    expect(at.record.entries.map(({ envelope }) => envelope.of)).toEqual([null, 0, 0]);
  });

  test('shows no digest in public: a short statement could be guessed from it', async () => {
    const at = house();
    const { outcome, filed } = ask(at);
    const { digest, id } = await filed;
    await at.approval.decide(id, BOB, 'approve', '');
    await outcome;
    expect(at.record.entries.length).toBe(3);
    expect(JSON.stringify(at.record.entries.map(({ envelope }) => envelope))).not.toContain(digest);
    expect(JSON.stringify(at.record.entries[0]?.sealed)).toContain(digest);
  });

  test('is refused when it is denied, with the reason', async () => {
    const at = house();
    const { outcome, filed } = ask(at);
    await at.approval.decide((await filed).id, BOB, 'deny', 'not on a\u202e Friday');
    expect(await outcome).toMatchObject({
      outcome: 'refused',
      reason: { code: 'APPROVAL_DENIED', rule: 'prod-writes', request: 'request-1', cure: 'approval' },
    });
    expect(JSON.stringify(await outcome)).toContain('not on a\\\\u{202e} Friday');
  });

  test('is refused when nobody decides in time', async () => {
    const at = house();
    const { outcome, filed } = ask(at);
    const { id, expiresAt } = await filed;
    at.clock.advance(expiresAt - at.clock.now() - 1);
    await settle();
    expect((await at.approval.show(id))?.state).toBe('pending');
    at.clock.advance(1);
    expect(await outcome).toMatchObject({ reason: { code: 'APPROVAL_EXPIRED' } });
    expect(kinds(at)).toEqual(['request pending', 'request expired']);
    await expect(at.approval.decide(id, BOB, 'approve', '')).rejects.toMatchObject({ code: 'REQUEST_ENDED' });
  });

  test('is withdrawn when its requester is gone', async () => {
    const at = house();
    const { outcome, filed, abort } = ask(at);
    const { id } = await filed;
    abort.abort();
    expect(await outcome).toMatchObject({ reason: { code: 'APPROVAL_CANCELLED' } });
    expect((await at.approval.show(id))?.state).toBe('cancelled');
    await expect(at.approval.decide(id, BOB, 'approve', '')).rejects.toMatchObject({ code: 'REQUEST_ENDED' });
  });

  test('that was given up before it was filed asks nobody', async () => {
    const at = house();
    const question = questionOf([actionOf(sessionOf(ALICE), 'x')]);
    const outcome = await at.approval.ask(
      question,
      AbortSignal.abort(),
      () => {},
      async () => question,
    );
    expect(outcome).toMatchObject({ reason: { code: 'APPROVAL_CANCELLED' } });
    expect([...at.store.rows.values()].map(({ state }) => state)).not.toContain('pending');
  });

  test('waits for as many persons as the rule wants', async () => {
    const at = house();
    const question = questionOf([actionOf(sessionOf(ALICE), 'x')], { cures: [cureOf({ count: 2 })] });
    const { outcome, filed } = ask(at, question);
    const { id } = await filed;
    expect((await at.approval.decide(id, BOB, 'approve', '')).state).toBe('pending');
    const second = { ...BOB, id: 'github/bob', groups: ['dba'] };
    await expect(at.approval.decide(id, second, 'approve', '')).rejects.toMatchObject({ code: 'REQUEST_NOT_YOURS' });
    expect((await at.approval.decide(id, CAROL, 'approve', 'looked at it')).state).toBe('approved');
    expect(await outcome).toMatchObject({ outcome: 'approved', by: [BOB.id, CAROL.id] });
  });

  test.each<[string, Principal]>([
    ['its requester', { ...ALICE, groups: ['dba'] }],
    ['its requester under another id', { ...BOB, person: ALICE.person }],
    ['an agent', { ...agent('helper', BOB), mayApprove: true, groups: ['dba'] }],
    ['a job', human('ci', ['dba'], { kind: 'workload', mayApprove: false })],
    ['somebody who is not asked', human('dave', ['dev'])],
  ])('is not decided by %s', async (_, by) => {
    const at = house();
    const { outcome, filed, abort } = ask(at);
    const view = await filed;
    expect(at.approval.mayDecide(view, by)).toMatchObject({ code: 'REQUEST_NOT_YOURS' });
    for (const decision of ['approve', 'deny'] as const) {
      await expect(at.approval.decide(view.id, by, decision, 'because')).rejects.toMatchObject({
        code: 'REQUEST_NOT_YOURS',
      });
    }
    expect(kinds(at)).toEqual(['request pending']);
    abort.abort();
    await outcome;
  });

  test('of an agent is not decided by anybody it acts for', async () => {
    const at = house();
    const principal = agent('outer', agent('inner', { ...BOB }));
    const { filed, outcome, abort } = ask(at, questionOf([actionOf(sessionOf(principal), 'x')]));
    const view = await filed;
    expect(view).toMatchObject({ onBehalfOf: ['agents/inner', BOB.id], persons: [BOB.person] });
    await expect(at.approval.decide(view.id, BOB, 'approve', '')).rejects.toMatchObject({ code: 'REQUEST_NOT_YOURS' });
    await at.approval.decide(view.id, CAROL, 'approve', '');
    expect(await outcome).toMatchObject({ outcome: 'approved' });
    abort.abort();
  });

  test('in a transaction waits no longer than a minute', async () => {
    const at = house();
    const question = questionOf([actionOf(sessionOf(ALICE), 'x')], { inTransaction: true });
    const { filed, outcome } = ask(at, question);
    const { createdAt, expiresAt } = await filed;
    expect(expiresAt - createdAt).toBe(LIMITS.hold_in_transaction_ms);
    at.clock.advance(60_000);
    expect(await outcome).toMatchObject({ reason: { code: 'APPROVAL_EXPIRED' } });
  });

  test('waits no longer than its most impatient rule', async () => {
    const at = house();
    const cures = [cureOf({ rule: 'a' }), cureOf({ rule: 'b', within_ms: 5_000, approvers: [['lead']] })];
    const { filed, outcome, abort } = ask(at, questionOf([actionOf(sessionOf(ALICE), 'x')], { cures }));
    const view = await filed;
    expect(view).toMatchObject({ rules: ['a', 'b'], approvers: [['dba', 'lead']], expiresAt: view.createdAt + 5_000 });
    abort.abort();
    await outcome;
  });
});

describe('just before release the question is put again', () => {
  test.each<[string, Partial<Question>, string]>([
    ['a rule', { versions: ['rule prod-writes 2'] }, 'the versions of objects and rules'],
    ['the statement', { actions: [actionOf(sessionOf(ALICE), 'drop table customers')] }, 'the statement'],
    ['the role', { actions: [actionOf(sessionOf(ALICE, { role: 'root' }), 'x')] }, 'the role'],
    [
      'the search path',
      { actions: [actionOf(sessionOf(ALICE), 'x', { state: 'search_path=evil' })] },
      'the session state',
    ],
  ])('and a change of %s refuses', async (_, change, named) => {
    const at = house();
    const question = questionOf([actionOf(sessionOf(ALICE), 'x')]);
    const { filed, outcome } = ask(at, question, async () => ({ ...question, ...change }));
    await at.approval.decide((await filed).id, BOB, 'approve', '');
    expect(await outcome).toMatchObject({ reason: { code: 'APPROVAL_CHANGED', why: expect.stringContaining(named) } });
    expect((await at.approval.show('request-1'))?.state).toBe('cancelled');
    expect(kinds(at)).not.toContain('receipt');
  });

  test('and a justification that was changed while it was held refuses', async () => {
    const at = house();
    const session = sessionOf(ALICE, { justification: 'INC-1' });
    const { filed, outcome } = ask(at, questionOf([actionOf(session, 'x')]));
    expect((await filed).justification).toBe('INC-1');
    session.justification = 'INC-2';
    await at.approval.decide('request-1', BOB, 'approve', '');
    expect(await outcome).toMatchObject({ reason: { code: 'APPROVAL_CHANGED' } });
  });

  test('and a failure of that refuses with its code', async () => {
    const at = house();
    const { filed, outcome } = ask(at, undefined, () => {
      throw new GatewayError('CATALOGUE_UNAVAILABLE', 'the catalogue is away');
    });
    await at.approval.decide((await filed).id, BOB, 'approve', '');
    expect(await outcome).toMatchObject({ outcome: 'refused', reason: { code: 'CATALOGUE_UNAVAILABLE' } });
    expect((await at.approval.show('request-1'))?.state).toBe('cancelled');
  });
});

describe('limits', () => {
  test('on what one principal and everybody may have waiting', async () => {
    const at = house({ held_sessions_per_principal_max: 1, held_sessions_max: 2 });
    const of = (who: Principal) => ask(at, questionOf([actionOf(sessionOf(who), 'x')]));
    const waiting = [of(ALICE), of(human('erin'))];
    await Promise.all(waiting.map(({ filed }) => filed));
    expect(await of(ALICE).outcome).toMatchObject({ reason: { code: 'APPROVAL_UNAVAILABLE', retry: 'later' } });
    expect(await of(human('frank')).outcome).toMatchObject({ reason: { code: 'APPROVAL_UNAVAILABLE' } });
    for (const { abort } of waiting) abort.abort();
    await Promise.all(waiting.map(({ outcome }) => outcome));
    const again = of(ALICE);
    await again.filed;
    again.abort.abort();
    await again.outcome;
  });

  test('on reasons: a denial needs one, none is endless', async () => {
    const at = house();
    const { filed, outcome, abort } = ask(at);
    const { id } = await filed;
    await expect(at.approval.decide(id, BOB, 'deny', ' ')).rejects.toMatchObject({ code: 'USAGE' });
    await expect(at.approval.decide(id, BOB, 'approve', 'x'.repeat(4_097))).rejects.toMatchObject({ code: 'USAGE' });
    abort.abort();
    await outcome;
  });

  test('on what can be shown: nobody is asked about the rest', async () => {
    const at = house();
    const { outcome } = ask(at, questionOf([actionOf(sessionOf(ALICE), 'x'.repeat(65_537))]));
    expect(await outcome).toMatchObject({ reason: { code: 'APPROVAL_UNAVAILABLE' } });
    expect(at.store.rows.size).toBe(0);
  });

  test('a rule that names nobody asks nobody', async () => {
    const at = house();
    const { outcome } = ask(at, questionOf([actionOf(sessionOf(ALICE), 'x')], { cures: [cureOf({ approvers: [] })] }));
    expect(await outcome).toMatchObject({ reason: { code: 'APPROVAL_UNAVAILABLE' } });
  });
});

test('a list holds what somebody may decide, newest first', async () => {
  const at = house();
  const first = ask(at);
  await first.filed;
  at.clock.advance(10);
  const second = ask(at, questionOf([actionOf(sessionOf(BOB), 'x')]));
  await second.filed;
  expect((await at.approval.list({})).map(({ id }) => id)).toEqual(['request-2', 'request-1']);
  expect((await at.approval.list({ state: 'pending', for: BOB })).map(({ id }) => id)).toEqual(['request-1']);
  expect(await at.approval.list({ for: human('dave') })).toEqual([]);
  expect(await at.approval.list({ state: 'used' })).toEqual([]);
  expect(await at.approval.show('request-9')).toBeNull();
  for (const { abort } of [first, second]) abort.abort();
  await Promise.all([first.outcome, second.outcome]);
});

test('data that follows an approval is named', async () => {
  const at = house();
  const { filed, outcome, abort } = ask(at, questionOf([actionOf(sessionOf(ALICE), 'copy t from stdin')]));
  expect((await filed).notCovered).toContain('COPY');
  abort.abort();
  await outcome;
});
