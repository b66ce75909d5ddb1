import { describe, expect, test } from 'vitest';
import { fingerprint } from '../../src/approval/digest.ts';
import type { ApprovalRequest, Vote } from '../../src/approval/ports.ts';
import {
  isFiledByGateway,
  isGenuine,
  type Receipt,
  readReceipt,
  signFiling,
  signReceipt,
  signVote,
} from '../../src/approval/receipt.ts';
import { fileRequest } from '../../src/approval/view.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { actionOf, edSigner, human, questionOf, sessionOf } from './fakes.ts';

const SIGNER = edSigner();
const QUESTION = questionOf([actionOf(sessionOf(human('alice')), 'update t set a = 1')]);
const FILING = { id: 'request-1', gateway: 'gw', run: 'run-1', now: 1_000, limits: LIMITS };
const REQUEST = fileRequest(QUESTION, fingerprint(QUESTION), FILING);
const VOTE: Vote = {
  decision: 'approve',
  principal: 'okta/bob',
  person: 'okta/bob',
  groups: ['dba', 'dev'],
  reason: 'looked at it',
  at: 1_500,
};
const RECEIPT: Receipt = {
  request: 'request-1',
  digest: REQUEST.digest,
  rules: ['prod-writes'],
  by: [{ principal: 'okta/bob', person: 'okta/bob', at: 1_500 }],
  at: 1_600,
};

describe('a vote', () => {
  test('is genuine as it was signed', async () => {
    expect(isGenuine(SIGNER, REQUEST, await signVote(SIGNER, REQUEST, VOTE))).toBe(true);
  });

  test.each<[string, Partial<Vote>]>([
    ['decision', { decision: 'deny' }],
    ['principal', { principal: 'okta/carol' }],
    ['person', { person: 'okta/carol' }],
    ['groups', { groups: ['dba', 'dev', 'lead'] }],
    ['groups, joined', { groups: ['dbadev'] }],
    ['reason', { reason: '' }],
    ['time', { at: 1_501 }],
  ])('is not with another %s', async (_, change) => {
    const vote = await signVote(SIGNER, REQUEST, VOTE);
    expect(isGenuine(SIGNER, REQUEST, { ...vote, ...change })).toBe(false);
  });

  test('is not for another request or digest, by another key, or unsigned', async () => {
    const vote = await signVote(SIGNER, REQUEST, VOTE);
    expect(isGenuine(SIGNER, { ...REQUEST, id: 'request-2' }, vote)).toBe(false);
    expect(isGenuine(SIGNER, { ...REQUEST, digest: '00'.repeat(32) }, vote)).toBe(false);
    expect(isGenuine(edSigner(), REQUEST, vote)).toBe(false);
    for (const signature of ['', 'AAAA', vote.signature.slice(0, -4)]) {
      expect(isGenuine(SIGNER, REQUEST, { ...vote, signature })).toBe(false);
    }
  });
});

describe('a filed request', () => {
  const read = (request: ApprovalRequest): ApprovalRequest => JSON.parse(JSON.stringify(request));

  test('is recognised after the store had it, in whatever order its names come, and whatever happened to it since', async () => {
    const filed = read(await signFiling(SIGNER, REQUEST));
    expect(isFiledByGateway(SIGNER, filed)).toBe(true);
    const reversed = Object.fromEntries(Object.entries(filed.shown).reverse()) as ApprovalRequest['shown'];
    const later = { ...filed, shown: reversed, state: 'denied' as const, version: 9, ended: 'no' };
    expect(isFiledByGateway(SIGNER, later)).toBe(true);
  });

  test.each<[string, Partial<ApprovalRequest>]>([
    ['id', { id: 'request-2' }],
    ['digest', { digest: '00'.repeat(32) }],
    ['rules', { requirements: [{ rule: 'prod-writes', approvers: [['dev']], count: 1 }] }],
    ['persons', { persons: [] }],
    ['chain', { chain: [] }],
    ['end', { expiresAt: 9e15 }],
    ['run', { run: 'run-2' }],
    ['statement', { shown: { ...REQUEST.shown, statements: [{ text: 'select 1', times: 1, parameters: [] }] } }],
    ['approvers', { shown: { ...REQUEST.shown, approvers: [['dev']] } }],
    ['justification', { shown: { ...REQUEST.shown, justification: 'INC-1' } }],
  ])('is not recognised with another %s', async (_, change) => {
    const filed = await signFiling(SIGNER, REQUEST);
    expect(isFiledByGateway(SIGNER, read({ ...filed, ...change }))).toBe(false);
  });

  test('is not recognised with a number for a text', async () => {
    const filed = await signFiling(SIGNER, { ...REQUEST, run: '7' });
    expect(isFiledByGateway(SIGNER, { ...filed, run: 7 as unknown as string })).toBe(false);
  });
});

describe('a receipt', () => {
  test('reads back as what was signed', async () => {
    const receipt = await signReceipt(SIGNER, RECEIPT);
    expect(receipt).toMatch(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}$/);
    expect(readReceipt(SIGNER, receipt)).toEqual(RECEIPT);
  });

  test('is nothing when a bit of it is another, or the key is', async () => {
    const receipt = await signReceipt(SIGNER, RECEIPT);
    const [facts = '', signature = ''] = receipt.split('.');
    const forged = Buffer.from(JSON.stringify({ v: 1, ...RECEIPT, digest: '00'.repeat(32) })).toString('base64url');
    const broken = [`${forged}.${signature}`, `${facts}.AAAA`, facts, `${receipt}.x`, '', '.'];
    for (const text of broken) expect(readReceipt(SIGNER, text)).toBeNull();
    expect(readReceipt(edSigner(), receipt)).toBeNull();
  });

  test('is no vote, and a vote is no receipt', async () => {
    const vote = await signVote(SIGNER, REQUEST, VOTE);
    const facts = Buffer.from(JSON.stringify({ v: 1, ...RECEIPT })).toString('base64url');
    expect(readReceipt(SIGNER, `${facts}.${vote.signature}`)).toBeNull();
    const [, signature = ''] = (await signReceipt(SIGNER, RECEIPT)).split('.');
    expect(isGenuine(SIGNER, REQUEST, { ...VOTE, signature })).toBe(false);
  });
});
