import { createHash, X509Certificate } from 'node:crypto';
import type net from 'node:net';
import tls from 'node:tls';
import { GatewayError } from '../core/errors.ts';
import type { TlsBinding } from '../protocols/protocol.ts';
import type { ServerIdentity } from './certificates.ts';
import type { Target } from './targets.ts';

/** What a listener needs to speak TLS as `identity`, and the channel binding its clients will see. */
export interface ServerTls {
  readonly context: tls.SecureContext;
  readonly serverEndPoint: Buffer;
}

export function serverTls(identity: ServerIdentity): ServerTls {
  return {
    context: tls.createSecureContext({ cert: identity.certificate, key: identity.key, minVersion: 'TLSv1.2' }),
    serverEndPoint: serverEndPoint(new X509Certificate(identity.certificate)),
  };
}

export function upstreamTlsOptions(target: Target): tls.ConnectionOptions {
  const verify = target.tls === 'verify-full';
  return {
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['postgresql'],
    rejectUnauthorized: verify,
    ...(target.ca === null ? {} : { ca: target.ca }),
    ...(/^[0-9.]+$|:/.test(target.serverName) ? {} : { servername: target.serverName }),
    ...(verify
      ? {
          checkServerIdentity: (_: string, certificate: tls.PeerCertificate) =>
            tls.checkServerIdentity(target.serverName, certificate),
        }
      : {}),
  };
}

export function bindingOfUpstream(socket: tls.TLSSocket): TlsBinding {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new GatewayError('TARGET_TLS', 'the target presented no certificate');
  return { serverEndPoint: serverEndPoint(certificate), alpn: alpnOf(socket) };
}

/** The same of the client's side, which binds to our own certificate. */
export function bindingOfClient(ours: Buffer | null, socket: tls.TLSSocket): TlsBinding {
  return { serverEndPoint: ours, alpn: alpnOf(socket) };
}

/** Asks a target for TLS in its own protocol on a fresh connection, and goes on inside it. */
export async function askForTls(plain: net.Socket, target: Target, request: Uint8Array): Promise<tls.TLSSocket> {
  const answered = new Promise<Buffer>((resolve, reject) => {
    plain.once('data', resolve);
    plain.once('error', reject);
    plain.once('close', () => reject(new GatewayError('TARGET_TLS', 'the target closed the connection before TLS')));
  });
  plain.write(request);
  const answer = await answered;
  if (answer.toString('latin1') !== 'S') throw new GatewayError('TARGET_TLS', 'the target does not speak TLS');
  plain.removeAllListeners();
  const secure = tls.connect({ ...upstreamTlsOptions(target), socket: plain });
  await new Promise<void>((resolve, reject) => {
    secure.once('secureConnect', resolve);
    secure.once('error', reject);
  });
  return secure;
}

function alpnOf(socket: tls.TLSSocket): string | null {
  return typeof socket.alpnProtocol === 'string' && socket.alpnProtocol !== '' ? socket.alpnProtocol : null;
}

/** tls-server-end-point: the certificate's hash by its signature's own hash, but never weaker than SHA-256 (RFC 5929 §4.1). */
function serverEndPoint(certificate: X509Certificate): Buffer {
  // Node says `ecdsa-with-SHA384`, `sha512WithRSAEncryption`; @types/node does not know the property yet.
  const algorithm = (certificate as X509Certificate & { signatureAlgorithm?: string }).signatureAlgorithm ?? '';
  const named = /sha-?(224|256|384|512)/i.exec(algorithm)?.[1];
  return createHash(named === undefined ? 'sha256' : `sha${named}`)
    .update(certificate.raw)
    .digest();
}
