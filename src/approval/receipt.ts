import type { EpochMs, RequestId, RuleId, Sha256 } from '../core/ids.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import type { ApprovalRequest, ReceiptSigner, SignedVote, Vote } from './ports.ts';
import { encodeTuple, type Part } from './tuple.ts';

/** That these people let that digest pass, once. */
export interface Receipt {
  readonly request: RequestId;
  readonly digest: Sha256;
  readonly rules: readonly RuleId[];
  readonly by: readonly { readonly principal: string; readonly person: string; readonly at: EpochMs }[];
  readonly at: EpochMs;
}

type Voted = Pick<ApprovalRequest, 'id' | 'digest'>;

/** Made where the voter was identified, so that a row added to the store later is no vote. */
export async function signVote(signer: ReceiptSigner, request: Voted, vote: Vote): Promise<SignedVote> {
  const signature = await signer.sign(votePayload(request, vote));
  return { ...vote, signature: Buffer.from(signature).toString('base64url') };
}

export function isGenuine(signer: ReceiptSigner, request: Voted, vote: SignedVote): boolean {
  return signer.verify(votePayload(request, vote), Buffer.from(vote.signature, 'base64url'));
}

/** Over everything that voters see and release depends on, so that nobody can show them something else. */
export async function signFiling(signer: ReceiptSigner, request: ApprovalRequest): Promise<ApprovalRequest> {
  const signature = await signer.sign(filingPayload(request));
  return { ...request, filing: Buffer.from(signature).toString('base64url') };
}

export function isFiledByGateway(signer: ReceiptSigner, request: ApprovalRequest): boolean {
  return signer.verify(filingPayload(request), Buffer.from(request.filing, 'base64url'));
}

/** One line: the facts as JSON and the signature over exactly those bytes, each in base64url. */
export async function signReceipt(signer: ReceiptSigner, receipt: Receipt): Promise<string> {
  const facts = Buffer.from(JSON.stringify({ v: 1, ...receipt }));
  const signature = await signer.sign(receiptPayload(facts));
  return `${facts.toString('base64url')}.${Buffer.from(signature).toString('base64url')}`;
}

/** What a receipt says, or `null` where the signature is not this gateway's. */
export function readReceipt(signer: ReceiptSigner, receipt: string): Receipt | null {
  const [facts, signature, ...rest] = receipt.split('.');
  if (facts === undefined || signature === undefined || rest.length > 0) return null;
  const bytes = Buffer.from(facts, 'base64url');
  if (!signer.verify(receiptPayload(bytes), Buffer.from(signature, 'base64url'))) return null;
  // The gateway signs nothing under this label but what `signReceipt` built.
  const { v, ...said } = JSON.parse(bytes.toString()) as Receipt & { v: number };
  return v === 1 ? said : null;
}

/** The label comes first, so that no vote can be passed off as a receipt, nor either as anything else this key signs. */
function votePayload(request: Voted, vote: Vote): Buffer {
  const groups: Part = vote.groups;
  const { decision, principal, person, reason, at } = vote;
  return encodeTuple([VOTE, request.id, request.digest, decision, principal, person, groups, reason, String(at)]);
}

function filingPayload(request: ApprovalRequest): Buffer {
  const { id, gateway, run, digest, requirements, chain, persons, createdAt, expiresAt, shown } = request;
  const filed = { id, gateway, run, digest, requirements, chain, persons, createdAt, expiresAt, shown };
  // What comes back from a store is the same JSON, perhaps in another order.
  return encodeTuple([FILING, partOf(JSON.parse(JSON.stringify(filed)))]);
}

function partOf(value: JsonValue): Part {
  if (value === null || typeof value === 'string') return value;
  if (typeof value !== 'object') return [typeof value, String(value)];
  if (Array.isArray(value)) return ['array', ...value.map(partOf)];
  // Array.isArray does not narrow away a readonly array.
  const object = value as JsonObject;
  const names = Object.keys(object).sort();
  return ['object', ...names.map((name): Part => [name, partOf(object[name] ?? null)])];
}

function receiptPayload(facts: Buffer): Buffer {
  return encodeTuple([RECEIPT, facts]);
}

const FILING = 'sallyport request 1';
const VOTE = 'sallyport vote 1';
const RECEIPT = 'sallyport receipt 1';
