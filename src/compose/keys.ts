import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ReceiptSigner } from '../approval/ports.ts';

/** The key that signs votes and receipts; made at the first start. */
export async function receiptSigner(path: string): Promise<ReceiptSigner & { readonly publicKey: KeyObject }> {
  const pem = await kept(path, () =>
    Buffer.from(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })),
  );
  const privateKey = createPrivateKey(pem);
  const publicKey = createPublicKey(privateKey);
  return {
    publicKey,
    sign: (bytes) => sign(null, bytes, privateKey),
    verify: (bytes, signature) => verify(null, bytes, publicKey, signature),
  };
}

/** What tokens of masked values are made with: lost, they can no longer be compared with older ones. */
export function maskTokenKey(path: string): Promise<Buffer> {
  return kept(path, () => randomBytes(32));
}

/** The bytes of a file that only the gateway reads, made once and durable before they are used. */
async function kept(path: string, make: () => Buffer): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const bytes = make();
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  return bytes;
}
