import { webcrypto, X509Certificate } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
// tsyringe, below x509, wants this polyfill to be there first.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

/** PEM texts of a server certificate (with its chain) and its key. */
export interface ServerIdentity {
  readonly certificate: string;
  readonly key: string;
}

/**
 * `tls: auto`: a CA of the gateway's own in `data_dir`, made at the first start, that issues the server certificate.
 * The CA signs server certificates and nothing else: other purposes get roots of their own.
 */
export async function ownIdentity(dataDir: string, names: readonly string[], now: number): Promise<ServerIdentity> {
  x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);
  const keys = join(dataDir, 'keys');
  await mkdir(keys, { recursive: true, mode: 0o700 });
  const kept = await readKept(dataDir, keys);
  if (kept !== null && stillGood(kept.identity, names, now)) return kept.identity;

  const authority = kept?.authority ?? (await createAuthority(now));
  const pair = await crypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: 'CN=Sallyport gateway',
    issuer: authority.certificate.subject,
    notBefore: new Date(now - HOUR_MS),
    notAfter: new Date(now + SERVER_DAYS * DAY_MS),
    publicKey: pair.publicKey,
    signingKey: authority.key,
    signingAlgorithm: ECDSA,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const), value: name })),
      ),
    ],
  });
  const identity = { certificate: `${certificate.toString('pem')}\n`, key: await exportKey(pair.privateKey) };
  if (kept === null) {
    await writeWhole(join(keys, 'server-ca.key'), await exportKey(authority.key), 0o600);
    await writeWhole(join(dataDir, 'ca.pem'), `${authority.certificate.toString('pem')}\n`, 0o644);
  }
  await writeWhole(join(keys, 'server.key'), identity.key, 0o600);
  await writeWhole(join(keys, 'server.pem'), identity.certificate, 0o644);
  return identity;
}

/** The names a certificate of `tls: auto` must carry. */
export function serverNames(publicUrl: string | null): readonly string[] {
  const names = new Set(['localhost', '127.0.0.1', '::1', hostname()]);
  if (publicUrl !== null) {
    const host = new URL(publicUrl).hostname.replace(/^\[|\]$/g, '');
    names.add(host);
    if (isIP(host) === 0 && host !== 'localhost') names.add(`*.${host}`);
  }
  return [...names];
}

interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

async function createAuthority(now: number): Promise<Authority> {
  const pair = await crypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=Sallyport server CA',
    notBefore: new Date(now - HOUR_MS),
    notAfter: new Date(now + AUTHORITY_DAYS * DAY_MS),
    keys: pair,
    signingAlgorithm: ECDSA,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(pair.publicKey),
    ],
  });
  return { certificate, key: pair.privateKey };
}

async function readKept(
  dataDir: string,
  keys: string,
): Promise<{ identity: ServerIdentity; authority: Authority } | null> {
  try {
    const [ca, caKey, certificate, key] = await Promise.all([
      readFile(join(dataDir, 'ca.pem'), 'utf8'),
      readFile(join(keys, 'server-ca.key'), 'utf8'),
      readFile(join(keys, 'server.pem'), 'utf8'),
      readFile(join(keys, 'server.key'), 'utf8'),
    ]);
    const der = x509.PemConverter.decodeFirst(caKey);
    const authorityKey = await crypto.subtle.importKey('pkcs8', der, ECDSA, true, ['sign']);
    return {
      identity: { certificate, key },
      authority: { certificate: new x509.X509Certificate(ca), key: authorityKey },
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function stillGood(identity: ServerIdentity, names: readonly string[], now: number): boolean {
  const certificate = new X509Certificate(identity.certificate);
  if (Date.parse(certificate.validTo) < now + RENEW_DAYS * DAY_MS) return false;
  return names.every((name) =>
    isIP(name) === 0
      ? (certificate.subjectAltName ?? '').split(', ').includes(`DNS:${name}`)
      : certificate.checkIP(name) !== undefined,
  );
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

function serial(): string {
  // Positive and at most 20 octets (RFC 5280 §4.1.2.2).
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  await writeFile(`${path}.new`, text, { mode });
  await rename(`${path}.new`, path);
}

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const AUTHORITY_DAYS = 3_650;
const SERVER_DAYS = 90;
const RENEW_DAYS = 30;
