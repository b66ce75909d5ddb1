import { describe, expect, test } from 'vitest';
import { createApproval } from '../../src/approval/approval.ts';
import type { AskOutcome } from '../../src/approval/stage.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { actionOf, edSigner, questionOf, sessionOf, settle } from './fakes.ts';
import { ALICE, ask, BOB, type House, house, kinds } from './house.ts';

describe('whoever writes the store approves nothing', () => {
  async function forge(change: (row: Record<string, unknown>) => void): Promise<{ at: House; outcome: AskOutcome }> {
    const at = house();
    const { filed, outcome, abort } = ask(at);
    const { id } = await filed;
    const row = at.store.rows.get(id);
    if (row === undefined) throw new Error('no row');
    change(row as unknown as Record<string, unknown>);
    at.clock.advance(LIMITS.store_poll_ms);
    await settle();
    abort.abort();
    return { at, outcome: await outcome };
  }

  test('a row that says approved is an alert and a refusal', async () => {
    const { at, outcome } = await forge((row) => Object.assign(row, { state: 'approved', version: 2 }));
    expect(outcome).toMatchObject({ reason: { code: 'APPROVAL_UNAVAILABLE' } });
    expect(kinds(at)).toContain('alert approved');
    expect(kinds(at)).not.toContain('receipt');
  });

  test('a vote that nobody signed does not count', async () => {
    const vote = {
      decision: 'approve',
      principal: BOB.id,
      person: BOB.person,
      groups: ['dba'],
      reason: '',
      at: 1_000_000,
    };
    const { outcome } = await forge((row) =>
      Object.assign(row, { state: 'approved', version: 2, votes: [{ ...vote, signature: 'AAAA' }] }),
    );
    expect(outcome).toMatchObject({ reason: { code: 'APPROVAL_UNAVAILABLE' } });
  });

  test('a vote for another request does not count', async () => {
    const at = house();
    const first = ask(at);
    await at.approval.decide((await first.filed).id, BOB, 'approve', '');
    await first.outcome;
    const second = ask(at);
    const row = at.store.rows.get((await second.filed).id);
    Object.assign(row ?? {}, { state: 'approved', version: 2, votes: at.store.rows.get('request-1')?.votes });
    at.clock.advance(LIMITS.store_poll_ms);
    expect(await second.outcome).toMatchObject({ reason: { code: 'APPROVAL_UNAVAILABLE' } });
  });

  test('a request that shows something else than was filed is shown to nobody', async () => {
    const at = house();
    const { filed, outcome, abort } = ask(at);
    const { id } = await filed;
    const row = at.store.rows.get(id);
    if (row === undefined) throw new Error('no row');
    Object.assign(row.shown, { statements: [{ text: 'select 1', times: 1, parameters: [] }] });
    expect(await at.approval.show(id)).toBeNull();
    expect(await at.approval.list({})).toEqual([]);
    await expect(at.approval.decide(id, BOB, 'approve', '')).rejects.toMatchObject({ code: 'REQUEST_UNKNOWN' });
    expect(at.faults.length).toBeGreaterThan(0);
    abort.abort();
    await outcome;
  });

  test('a row that is gone refuses', async () => {
    const at = house();
    const { filed, outcome } = ask(at);
    at.store.rows.delete((await filed).id);
    at.clock.advance(LIMITS.store_poll_ms);
    expect(await outcome).toMatchObject({ reason: { code: 'APPROVAL_UNAVAILABLE' } });
  });
});

describe('when something is away, nothing passes', () => {
  test('the record, at filing', async () => {
    const at = house();
    at.record.isFull = true;
    expect(await ask(at).outcome).toMatchObject({ reason: { code: 'RECORD_UNAVAILABLE' } });
    expect(at.store.rows.size).toBe(0);
  });

  test('the record, at the vote: it does not count', async () => {
    const at = house();
    const { filed, outcome, abort } = ask(at);
    const { id } = await filed;
    at.record.isFull = true;
    await expect(at.approval.decide(id, BOB, 'approve', '')).rejects.toMatchObject({ code: 'RECORD_UNAVAILABLE' });
    expect((await at.approval.show(id))?.decisions).toEqual([]);
    abort.abort();
    expect(await outcome).toMatchObject({ outcome: 'refused' });
  });

  test('the record, at release: the approval is used up and nothing passes', async () => {
    const at = house();
    const question = questionOf([actionOf(sessionOf(ALICE), 'x')]);
    const { filed, outcome } = ask(at, question, () => {
      at.record.isFull = true;
      return question;
    });
    await at.approval.decide((await filed).id, BOB, 'approve', '');
    expect(await outcome).toMatchObject({ reason: { code: 'RECORD_UNAVAILABLE' } });
    expect((await at.approval.show('request-1'))?.state).toBe('used');
  });

  test('the store, at filing: the record says that it came to nothing', async () => {
    const at = house();
    const broken = { ...at.store, insert: async () => Promise.reject(new GatewayError('STORE_UNAVAILABLE', 'away')) };
    const approval = createApproval(
      { ...at, store: broken, newId: () => 'request-1', onFault: () => {} },
      { gateway: 'gw', run: 'run-1', limits: LIMITS },
    );
    expect(await ask({ approval }).outcome).toMatchObject({ reason: { code: 'STORE_UNAVAILABLE' } });
    expect(kinds(at)).toEqual(['request pending', 'request cancelled']);
  });

  test('a signer whose receipt does not verify', async () => {
    const at = house();
    const other = edSigner();
    const isReceipt = (bytes: Uint8Array): boolean => Buffer.from(bytes).includes('sallyport receipt');
    const signer = {
      ...at.signer,
      sign: (bytes: Uint8Array) => (isReceipt(bytes) ? other : at.signer).sign(bytes),
    };
    const approval = createApproval(
      { ...at, signer, newId: () => 'request-1', onFault: () => {} },
      { gateway: 'gw', run: 'run-1', limits: LIMITS },
    );
    const { filed, outcome } = ask({ approval });
    await approval.decide((await filed).id, BOB, 'approve', '');
    expect(await outcome).toMatchObject({ reason: { code: 'APPROVAL_UNAVAILABLE' } });
    expect(kinds(at)).toEqual(['request pending', 'decision approve', 'request cancelled']);
  });

  test('a former run: what it left waiting is cancelled', async () => {
    const at = house();
    const { filed, outcome, abort } = ask(at);
    const { id } = await filed;
    const restarted = at.start('run-2');
    expect(await restarted.recover()).toBe(1);
    expect(await restarted.recover()).toBe(0);
    expect(await restarted.show(id)).toMatchObject({ state: 'cancelled' });
    await expect(restarted.decide(id, BOB, 'approve', '')).rejects.toMatchObject({ code: 'REQUEST_ENDED' });
    at.clock.advance(LIMITS.store_poll_ms);
    expect(await outcome).toMatchObject({ reason: { code: 'APPROVAL_CANCELLED' } });
    abort.abort();
  });

  test('the gateway itself: what waits is cancelled, and nothing new is taken', async () => {
    const at = house();
    const { filed, outcome } = ask(at);
    await filed;
    at.approval.close();
    expect(await outcome).toMatchObject({ reason: { code: 'APPROVAL_CANCELLED' } });
    expect(await ask(at).outcome).toMatchObject({ reason: { code: 'APPROVAL_UNAVAILABLE' } });
  });
});
