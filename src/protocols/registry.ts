import type { ProtocolName } from '../core/ids.ts';
import { postgresProtocol } from './postgres/protocol.ts';
import type { WireProtocol } from './protocol.ts';
import type { Classifier } from './sql/statement.ts';

/** What the protocols need to understand what passes through them. */
export interface ProtocolRooms {
  readonly sql: Classifier;
}

/** The protocols whose bytes are spoken here. Adding one is one line. */
export function wireProtocols(rooms: ProtocolRooms): ReadonlyMap<ProtocolName, WireProtocol> {
  const protocols = [postgresProtocol(rooms.sql)];
  return new Map(protocols.map((protocol) => [protocol.name, protocol]));
}
