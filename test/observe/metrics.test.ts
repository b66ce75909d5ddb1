import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../src/observe/metrics.ts';

describe('metrics', () => {
  test('count what happened, by names from fixed sets', async () => {
    const metrics = createMetrics('1.2.3');
    metrics.sessionOpened('postgres');
    metrics.sessionOpened('postgres');
    metrics.sessionClosed('postgres');
    metrics.action('postgres', 'read', 'forward');
    metrics.held(12);
    metrics.recordSynced(0.003);
    metrics.refusedBytes('WIRE_MALFORMED');
    metrics.apiAnswered('/api/v1/sessions', 200, 0.01);
    metrics.configLoaded('refused');
    metrics.observing(2, 1);
    const text = await metrics.text();
    metrics.close();
    for (const line of [
      'sallyport_info{version="1.2.3"} 1',
      'sallyport_sessions_open{protocol="postgres"} 1',
      'sallyport_actions_total{protocol="postgres",verb="read",verdict="forward"} 1',
      'sallyport_hold_seconds_sum 12',
      'sallyport_record_sync_seconds_bucket{le="0.005"} 1',
      'sallyport_refused_total{code="WIRE_MALFORMED"} 1',
      'sallyport_api_seconds_count{route="/api/v1/sessions",status="200"} 1',
      'sallyport_config_loads_total{outcome="refused"} 1',
      'sallyport_observe_only{kind="target"} 2',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toMatch(/sallyport_event_loop_delay_seconds\{quantile="0\.99"\} \S+/);
    expect(text).toMatch(/^sallyport_resident_memory_bytes [1-9]/m);
  });

  test('of two gateways in one process do not mix', async () => {
    const [one, other] = [createMetrics('1'), createMetrics('1')];
    one.sessionOpened('postgres');
    expect(await other.text()).not.toContain('sallyport_sessions_open{');
    one.close();
    other.close();
  });

  test('all have a name, a help and a type in the text format', async () => {
    const metrics = createMetrics('1');
    const names = [...(await metrics.text()).matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
    metrics.close();
    expect(names.length).toBeGreaterThanOrEqual(11);
    for (const name of names) expect(name).toMatch(/^sallyport_[a-z_]+$/);
  });
});
