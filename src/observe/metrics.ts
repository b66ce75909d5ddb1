import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * What the gateway counts. Labels are names from fixed sets or from the configuration, never something a client can
 * choose: a label's values are a memory of their own.
 */
export interface Metrics {
  sessionOpened(protocol: string): void;
  sessionClosed(protocol: string): void;
  action(protocol: string, verb: string, verdict: string): void;
  /** An action waited this long for people. */
  held(seconds: number): void;
  recordSynced(seconds: number): void;
  /** Bytes that follow no protocol, or a login nobody may have. */
  refusedBytes(code: string): void;
  apiAnswered(route: string, status: number, seconds: number): void;
  configLoaded(outcome: 'applied' | 'refused'): void;
  /** How many targets and rules are observed only, not enforced. */
  observing(targets: number, rules: number): void;
  /** In the Prometheus text format. */
  text(): Promise<string>;
  readonly contentType: string;
  close(): void;
}

export function createMetrics(version: string): Metrics {
  const registry = new Registry();
  const sessions = gauge(registry, 'sallyport_sessions_open', 'Sessions open now.', ['protocol']);
  const actions = counter(registry, 'sallyport_actions_total', 'Actions decided.', ['protocol', 'verb', 'verdict']);
  const holds = histogram(registry, 'sallyport_hold_seconds', 'How long actions waited for people.', HOLDS, []);
  const syncs = histogram(registry, 'sallyport_record_sync_seconds', 'How long a sync of the record took.', SYNCS, []);
  const refused = counter(registry, 'sallyport_refused_total', 'Bytes and logins refused, by error code.', ['code']);
  const api = histogram(registry, 'sallyport_api_seconds', 'API answers.', ANSWERS, ['route', 'status']);
  const reloads = counter(registry, 'sallyport_config_loads_total', 'Configurations read.', ['outcome']);
  const observed = gauge(registry, 'sallyport_observe_only', 'Targets and rules in observe mode.', ['kind']);
  gauge(registry, 'sallyport_info', 'The version that runs.', ['version']).set({ version }, 1);
  const delay = eventLoopDelay(registry);
  processMeasures(registry);
  return {
    sessionOpened: (protocol) => sessions.inc({ protocol }),
    sessionClosed: (protocol) => sessions.dec({ protocol }),
    action: (protocol, verb, verdict) => actions.inc({ protocol, verb, verdict }),
    held: (seconds) => holds.observe(seconds),
    recordSynced: (seconds) => syncs.observe(seconds),
    refusedBytes: (code) => refused.inc({ code }),
    apiAnswered: (route, status, seconds) => api.observe({ route, status: String(status) }, seconds),
    configLoaded: (outcome) => reloads.inc({ outcome }),
    observing: (targets, rules) => {
      observed.set({ kind: 'target' }, targets);
      observed.set({ kind: 'rule' }, rules);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
    close: () => delay.disable(),
  };
}

function gauge(registry: Registry, name: string, help: string, labelNames: readonly string[]): Gauge {
  return new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
}

function counter(registry: Registry, name: string, help: string, labelNames: readonly string[]): Counter {
  return new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
}

function histogram(
  registry: Registry,
  name: string,
  help: string,
  buckets: readonly number[],
  labelNames: readonly string[],
): Histogram {
  return new Histogram({ name, help, buckets: [...buckets], labelNames: [...labelNames], registers: [registry] });
}

function eventLoopDelay(registry: Registry): { disable(): void } {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  new Gauge({
    name: 'sallyport_event_loop_delay_seconds',
    help: 'Delay of the event loop since the last scrape.',
    labelNames: ['quantile'],
    registers: [registry],
    collect() {
      for (const percent of [50, 99]) this.set({ quantile: `0.${percent}` }, delay.percentile(percent) / 1e9);
      delay.reset();
    },
  });
  return delay;
}

function processMeasures(registry: Registry): void {
  new Gauge({
    name: 'sallyport_resident_memory_bytes',
    help: 'Resident memory.',
    registers: [registry],
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: 'sallyport_cpu_seconds',
    help: 'Processor time used since the start.',
    registers: [registry],
    collect() {
      const { user, system } = process.cpuUsage();
      this.set((user + system) / 1e6);
    },
  });
}

const HOLDS = [1, 5, 15, 60, 300, 900, 1800, 3600];
const SYNCS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1];
const ANSWERS = [0.001, 0.005, 0.025, 0.1, 0.5, 2, 10];
