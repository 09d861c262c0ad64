// An exporter that asks a page for the user: does it answer, how fast, with which status, and does it say what it should?
//
// The address is the job's target, the rest stands in `exporter_config`: {"path": "/login", "expect": "Welcome"}.

import { fetch } from 'skopos:plugin/http@0.1.0';

const DEFAULTS = { scheme: 'http', path: '/', expect: '' };

export const exporter = {
  collect(config, target) {
    const settings = { ...DEFAULTS, ...JSON.parse(config || '{}') };
    for (const key of Object.keys(settings)) {
      if (!(key in DEFAULTS)) throw { tag: 'config', val: `exporter_config: the probe knows no "${key}"; it knows ${Object.keys(DEFAULTS)}` };
    }
    if (!target) throw { tag: 'config', val: 'the probe needs a target: write static_configs: [{targets: ["host:port"]}]' };
    const url = `${settings.scheme}://${target}${settings.path}`;

    let response;
    try {
      response = fetch({ method: 'GET', url, headers: [], body: new Uint8Array(0), maxBody: 1048576, newConnection: true });
    } catch (error) {
      const reason = error.payload ?? error;
      // What is not granted or cannot be asked is the operator's to mend: the scrape fails, and its error says how.
      if (reason.tag === 'denied' || reason.tag === 'invalid') throw { tag: 'config', val: `${url}: ${reason.val}` };
      return { tag: 'families', val: [gauge('probe_success', 'Whether the page answered as it should.', 0)] };
    }
    const good = response.status < 400 && text(response.body).includes(settings.expect);
    return {
      tag: 'families',
      val: [
        gauge('probe_success', 'Whether the page answered as it should.', good ? 1 : 0),
        gauge('probe_http_status_code', 'Status of the answer.', response.status),
        gauge('probe_http_content_bytes', 'Length of the page.', response.body.length),
        phases(response.timings),
      ],
    };
  },
};

function gauge(name, help, value) {
  return { name, help, unit: '', samples: { tag: 'gauge', val: [{ labels: [], value }] } };
}

// Where the time went, in seconds.
function phases(timings) {
  const samples = [
    ['first_byte', timings.firstByteUs],
    ['transfer', timings.transferUs],
  ].map(([phase, microseconds]) => ({ labels: [['phase', phase]], value: Number(microseconds) / 1e6 }));
  return { name: 'probe_http_duration_seconds', help: 'Time of each phase of the request.', unit: '', samples: { tag: 'gauge', val: samples } };
}

// QuickJS has no TextDecoder. UTF-8, with a mark in place of what is none.
function text(bytes) {
  let escaped = '';
  for (const byte of bytes) escaped += '%' + byte.toString(16).padStart(2, '0');
  try {
    return decodeURIComponent(escaped);
  } catch {
    return Array.from(bytes, (byte) => (byte < 0x80 ? String.fromCharCode(byte) : '\ufffd')).join('');
  }
}
