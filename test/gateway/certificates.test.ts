import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ownIdentity, serverNames } from '../../src/gateway/certificates.ts';

const DAY_MS = 86_400_000;
const fresh = () => mkdtempSync(join(tmpdir(), 'sallyport-ca-'));

describe("the gateway's own certificate", () => {
  test('is issued by a CA that may issue nothing below another CA, for the names asked', async () => {
    const directory = fresh();
    const { certificate } = await ownIdentity(
      directory,
      ['localhost', '127.0.0.1', '::1', 'gw.example.com'],
      Date.now(),
    );
    const ca = new X509Certificate(readFileSync(join(directory, 'ca.pem')));
    const leaf = new X509Certificate(certificate);
    expect(leaf.verify(ca.publicKey)).toBe(true);
    expect(ca.ca).toBe(true);
    expect(leaf.ca).toBe(false);
    expect(leaf.checkHost('gw.example.com')).toBe('gw.example.com');
    expect(leaf.checkHost('other.example.com')).toBeUndefined();
    expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1');
  });

  test('stays the same at the next start', async () => {
    const directory = fresh();
    const first = await ownIdentity(directory, ['localhost'], Date.now());
    expect(await ownIdentity(directory, ['localhost'], Date.now())).toEqual(first);
  });

  test.each([
    ['another name is wanted', ['localhost', 'gw.example.com'], 0],
    ['it is about to expire', ['localhost'], 70 * DAY_MS],
  ])('is issued again by the same CA when %s', async (_, names, later_ms) => {
    const directory = fresh();
    const first = await ownIdentity(directory, ['localhost'], Date.now());
    const ca = readFileSync(join(directory, 'ca.pem'), 'utf8');
    const second = await ownIdentity(directory, names, Date.now() + later_ms);
    expect(second.certificate).not.toBe(first.certificate);
    expect(readFileSync(join(directory, 'ca.pem'), 'utf8')).toBe(ca);
    expect(new X509Certificate(second.certificate).verify(new X509Certificate(ca).publicKey)).toBe(true);
  });

  test('keeps its keys to itself', async () => {
    const directory = fresh();
    await ownIdentity(directory, ['localhost'], Date.now());
    for (const name of ['server.key', 'server-ca.key']) {
      expect(statSync(join(directory, 'keys', name)).mode & 0o777).toBe(0o600);
    }
    expect(statSync(join(directory, 'keys')).mode & 0o777).toBe(0o700);
  });

  test('carries the public name and what lies below it', () => {
    expect(serverNames('https://gw.example.com:8443')).toEqual(
      expect.arrayContaining(['gw.example.com', '*.gw.example.com']),
    );
    expect(serverNames('https://10.0.0.1')).toContain('10.0.0.1');
    expect(serverNames('https://10.0.0.1')).not.toContain('*.10.0.0.1');
    expect(serverNames('https://[::1]:8443')).toContain('::1');
  });
});
