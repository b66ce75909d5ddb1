import type { Config } from '../config/config.ts';
import { type Address, addressText } from '../config/values.ts';
import { GatewayError } from '../core/errors.ts';
import type { ServerIdentity } from '../gateway/certificates.ts';
import { listen, type OpenListener } from '../gateway/listener.ts';
import type { GatewayPorts } from '../gateway/ports.ts';
import { type ServerTls, serverTls } from '../gateway/tls.ts';
import type { WireProtocol } from '../protocols/protocol.ts';

/** The open ports of the data path, and which of them a new configuration still wants. */
export class Ports {
  readonly #ports: GatewayPorts;
  readonly #protocol: WireProtocol;
  #tls: ServerTls | null;
  readonly #open = new Map<string, { readonly asked: string; readonly listener: OpenListener }>();

  constructor(ports: GatewayPorts, protocol: WireProtocol, identity: ServerIdentity | null) {
    this.#ports = ports;
    this.#protocol = protocol;
    this.#tls = identity === null ? null : serverTls(identity);
  }

  /** Whoever connects from now on is shown the new certificate. */
  renew(identity: ServerIdentity): void {
    this.#tls = serverTls(identity);
  }

  get addresses(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#open].map(([name, { listener }]) => [name, listener.address]));
  }

  /** A shared listener stays where it is while the gateway runs: clients have its address. */
  check(config: Config): void {
    const shared = this.#open.get('postgres')?.asked ?? null;
    const wanted = config.listeners.postgres === null ? null : addressText(config.listeners.postgres);
    if (shared !== wanted) {
      throw new GatewayError('CONFIG_INVALID', 'listeners.postgres changes only with a restart', { shared, wanted });
    }
  }

  async open(config: Config): Promise<void> {
    const wanted = wantedPorts(config);
    for (const [name, { asked, listener }] of this.#open) {
      const still = wanted.get(name);
      if (still !== undefined && addressText(still.address) === asked) continue;
      listener.stopAccepting();
      this.#open.delete(name);
    }
    for (const [name, { address, target }] of wanted) {
      if (this.#open.has(name)) continue;
      if (address.kind === 'unix') throw new GatewayError('CONFIG_INVALID', `${name} cannot listen on a local socket`);
      const listener = await listen(
        this.#ports,
        {
          protocol: this.#protocol,
          target,
          tls: this.#tls === null ? null : () => this.#shown(),
          insecureLoopback: config.gateway.insecureLoopback,
          alpn: ['postgresql'],
        },
        address.host,
        address.port,
      );
      this.#open.set(name, { asked: addressText(address), listener });
    }
  }

  #shown(): ServerTls {
    if (this.#tls === null) throw new Error('TLS was on when the port was opened');
    return this.#tls;
  }

  stopAccepting(): void {
    for (const { listener } of this.#open.values()) listener.stopAccepting();
  }
}

function wantedPorts(config: Config): ReadonlyMap<string, { address: Address; target: string | null }> {
  const wanted = new Map<string, { address: Address; target: string | null }>();
  if (config.listeners.postgres !== null) wanted.set('postgres', { address: config.listeners.postgres, target: null });
  for (const { name, listen: own } of config.targets)
    if (own !== null) wanted.set(name, { address: own, target: name });
  return wanted;
}
