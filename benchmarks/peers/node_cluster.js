// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Node's cluster: two workers, round robin. `http` answers by Node's own HTTP server, as its users
// write it; `net` answers on bare sockets with the same scan for the end of the request and the
// same bytes as the C++ servers, which leaves little but the way from accept to worker.

'use strict';

const cluster = require('node:cluster');
const http = require('node:http');
const net = require('node:net');

const keepAlive = 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello world\n';
const close = 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nhello world\n';

function serveNet(socket) {
  let received = '';
  socket.setEncoding('latin1');
  socket.on('error', () => {});
  socket.on('data', (text) => {
    received += text;
    const end = received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const last = received.includes('\r\nConnection: close\r\n');
    received = '';
    if (last) socket.end(close);
    else socket.write(keepAlive);
  });
}

function serveHttp(request, response) {
  response.setHeader('Content-Length', 12);
  response.end('hello world\n');
}

if (cluster.isPrimary) {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  const workers = [cluster.fork(), cluster.fork()];
  let listening = 0;
  cluster.on('listening', (worker, address) => {
    if (++listening !== workers.length) return;
    console.log('ready', address.port, ...workers.map((each) => each.process.pid));
  });
} else {
  const server = process.argv[2] === 'net' ? net.createServer(serveNet)
                                           : http.createServer(serveHttp);
  server.listen(0, '127.0.0.1');
}
