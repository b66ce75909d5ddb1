import { timingSafeEqual } from 'node:crypto';
import type { GatewayPorts } from './ports.ts';
import type { Target } from './targets.ts';
import { askForTls } from './tls.ts';

/** Who may be cancelled by which key: the client's CancelRequest comes on a connection of its own. */
export class Cancels {
  readonly #sessions = new Map<number, { secret: Buffer; cancel: () => void }[]>();

  /** Returns how to forget it. */
  register(processId: number, secret: Uint8Array, cancel: () => void): () => void {
    const entry = { secret: Buffer.from(secret), cancel };
    const same = this.#sessions.get(processId);
    // Two targets may well have a backend of the same process id; the secret tells them apart.
    if (same === undefined) this.#sessions.set(processId, [entry]);
    else same.push(entry);
    return () => {
      const left = (this.#sessions.get(processId) ?? []).filter((other) => other !== entry);
      if (left.length === 0) this.#sessions.delete(processId);
      else this.#sessions.set(processId, left);
    };
  }

  /** Whether somebody was there to cancel. The caller is told nothing, as the protocol wants. */
  cancel(processId: number, secret: Uint8Array): boolean {
    for (const entry of this.#sessions.get(processId) ?? []) {
      if (entry.secret.length === secret.length && timingSafeEqual(entry.secret, secret)) {
        entry.cancel();
        return true;
      }
    }
    return false;
  }
}

/** Sends a cancel request on a connection of its own and waits until the target has closed it. */
export async function deliverCancel(
  ports: GatewayPorts,
  target: Target,
  cancel: { readonly bytes: Uint8Array; readonly tlsRequest: Uint8Array },
): Promise<void> {
  const { dial_ms } = ports.limits;
  const plain = await ports.dial(target.address, dial_ms);
  const timer = setTimeout(() => plain.destroy(), dial_ms);
  try {
    const socket = target.tls === 'off' ? plain : await askForTls(plain, target, cancel.tlsRequest);
    await new Promise<void>((resolve) => {
      socket.once('error', () => socket.destroy());
      socket.once('close', () => resolve());
      socket.resume();
      // As libpq does: say it and wait for the target to hang up. A half-closed connection may be closed by what lies between.
      socket.write(cancel.bytes);
    });
  } finally {
    clearTimeout(timer);
    plain.destroy();
  }
}
