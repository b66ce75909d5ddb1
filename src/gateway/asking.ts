import type { RequestView } from '../approval/stage.ts';
import type { Hold } from '../protocols/protocol.ts';
import type { GatewayPorts } from './ports.ts';

/** Tells a client now, and from time to time, that it waits for people. Returns how to stop. */
export function hold(ports: GatewayPorts, request: RequestView, tell: (hold: Hold) => void): () => void {
  const told: Hold = {
    requestId: request.id,
    rule: request.rules.join(', '),
    message: request.message,
    approvers: request.approvers.map((all) => all.join(' and ')).join(' or '),
    url: ports.requestUrl(request.id),
    expiresAt: request.expiresAt,
  };
  const timer = setInterval(() => tell(told), ports.limits.hold_notice_ms);
  tell(told);
  return () => clearInterval(timer);
}
