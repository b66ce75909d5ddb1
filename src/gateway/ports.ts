import type { RecordStage } from '../audit/stage.ts';
import type { EpochMs } from '../core/ids.ts';
import type { Limits } from '../core/limits.ts';
import type { IdentityStage } from '../identity/stage.ts';
import type { Pipeline } from '../pipeline/stage.ts';
import type { ConversationContext, WireProtocol } from '../protocols/protocol.ts';
import type { Cancels } from './cancels.ts';
import type { Catalogues } from './catalogues.ts';
import type { Dial } from './dial.ts';
import type { LiveSessions } from './sessions.ts';
import type { Target } from './targets.ts';
import type { ServerTls } from './tls.ts';

/** Everything a connection reaches: the rooms by their stages, the network by ports. */
export interface GatewayPorts {
  readonly limits: Limits;
  readonly identity: IdentityStage;
  readonly pipeline: Pipeline;
  readonly record: RecordStage;
  readonly catalogues: Catalogues;
  readonly cancels: Cancels;
  readonly sessions: LiveSessions;
  readonly dial: Dial;
  readonly cellMask: ConversationContext['cellMask'];
  target(name: string): Target | null;
  /** Settings to pin because this principal could not write there anyway. */
  mayWrite(principal: import('../core/principal.ts').Principal, target: Target): boolean;
  /** A link to a request, where there is a console. */
  requestUrl(id: string): string | null;
  now(): EpochMs;
  id(prefix: string): string;
  random(bytes: number): Buffer;
  readonly log: Log;
  readonly count: Counters;
}

export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Counters {
  sessionOpened(protocol: string): void;
  sessionClosed(protocol: string): void;
  action(protocol: string, verb: string, verdict: string): void;
  refusedBytes(code: string): void;
  held(seconds: number): void;
}

/** What a listener is: one protocol, perhaps one target of its own. */
export interface Listener {
  readonly protocol: WireProtocol;
  /** The target of this port, or `null` where clients name it. */
  readonly target: string | null;
  /** What to show now: certificates are renewed while the gateway runs. `null`: no TLS. */
  readonly tls: (() => ServerTls) | null;
  /** A password may come in clear from loopback. */
  readonly insecureLoopback: boolean;
  readonly alpn: readonly string[];
}
