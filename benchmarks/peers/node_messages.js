// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Messages between a Node process and its child: node_messages.js SCENARIO COUNT prints how many
// seconds COUNT messages took. SCENARIO: one_way, round_trip, handle.

'use strict';

const { fork } = require('node:child_process');
const net = require('node:net');

const message = { path: '/index.html?user=12345678', microseconds: 1234, status: 200, id: 0 };

function child() {
  let count = 0;
  process.on('message', (received, handle) => {
    if (handle) handle.close();
    if (received.path) ++count;
    else if (received.reply) process.send(received);
    else process.send({ count });
  });
}

// Node says by `false` that it would rather be called back first.
function sendAll(peer, total, handle, done) {
  let sent = 0;
  const more = () => {
    while (sent !== total) {
      message.id = sent++;
      const last = sent === total || sent % 1000 === 0;
      if (last) return peer.send(message, handle(), sent === total ? done : more);
      peer.send(message, handle());
    }
  };
  more();
}

function run(scenario, total) {
  const peer = fork(__filename, ['child']);
  const end = (start) => {
    console.log(Number(process.hrtime.bigint() - start) / 1e9);
    peer.disconnect();
  };
  const server = net.createServer();
  server.listen(0, '127.0.0.1', () => {
    // The child is there when it has answered once.
    peer.send({ reply: true });
    peer.once('message', () => {
      const start = process.hrtime.bigint();
      if (scenario === 'round_trip') {
        let left = total;
        peer.on('message', () => (--left === 0 ? (server.close(), end(start)) : peer.send({ reply: true })));
        peer.send({ reply: true });
        return;
      }
      peer.once('message', () => {
        server.close();
        end(start);
      });
      const handle = scenario === 'handle' ? () => server : () => undefined;
      sendAll(peer, total, handle, () => peer.send({}));
    });
  });
}

if (process.argv[2] === 'child') child();
else run(process.argv[2], Number(process.argv[3]));
