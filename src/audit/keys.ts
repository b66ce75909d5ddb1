import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { dirname } from 'node:path';
import { GatewayError } from '../core/errors.ts';
import { type SignerKey, signerKey } from './note.ts';
import type { FileSystem } from './ports.ts';

/** The Ed25519 key of a file, or `null` when there is no file. */
export async function readSigner(files: FileSystem, path: string, name: string): Promise<SignerKey | null> {
  const bytes = await files.readWhole(path);
  if (bytes === null) return null;
  try {
    return signerKey(name, createPrivateKey(Buffer.from(bytes).toString('latin1')));
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw new GatewayError('RECORD_BROKEN', 'the signing key is not a private key in PEM');
  }
}

/** A new key, durable before it is used: a log signed by a key that is gone cannot be gone on with. */
export async function createSigner(files: FileSystem, path: string, name: string): Promise<SignerKey> {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
  await files.makeDirectory(dirname(path));
  await writeDurably(files, path, Buffer.from(pem));
  await files.syncDirectory(dirname(dirname(path)));
  return signerKey(name, createPrivateKey(pem));
}

/** A file that is there whole or not at all, and stays after a power cut. */
export async function writeDurably(files: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await files.open(temporary, 'replace');
  try {
    await files.write(file, bytes, 0);
    await files.sync(file);
  } finally {
    await files.close(file);
  }
  await files.rename(temporary, path);
  await files.syncDirectory(dirname(path));
}
