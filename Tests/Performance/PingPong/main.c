// The floor that `make bench` compares with: a DEALER/ROUTER ping-pong in C over libzmq, with
// nothing of ours in it.
//
//   pingpong serve                                   binds tcp://127.0.0.1:*, prints the endpoint
//   pingpong call ENDPOINT BYTES REPLY WINDOW SECONDS FRAMES
//
// The caller keeps WINDOW requests of BYTES bytes, in FRAMES frames, in flight. A payload goes out
// without a copy (zmq_msg_init_data) from 64 KiB on, as ours does. The first 4 bytes of a request
// say how many bytes the answer has. Prints one line: requests/s, p50, p99 in microseconds.

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

enum { WINDOW_MAX = 4096, FRAMES_MAX = 8, SAMPLES_MAX = 4000000 };

static void fail(const char *what) {
    fprintf(stderr, "pingpong: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void tune(void *socket) {
    int hwm = 2 * WINDOW_MAX, linger = 0, buffer = 1 << 20;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &hwm, sizeof hwm);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_SNDBUF, &buffer, sizeof buffer);
    zmq_setsockopt(socket, ZMQ_RCVBUF, &buffer, sizeof buffer);
}

static void keep(void *data, void *hint) { (void)data, (void)hint; }

static int more(zmq_msg_t *message) { return zmq_msg_more(message); }

static int serve(void *context) {
    void *router = zmq_socket(context, ZMQ_ROUTER);
    tune(router);
    if (zmq_bind(router, "tcp://127.0.0.1:*") != 0) fail("bind");
    char endpoint[128];
    size_t size = sizeof endpoint;
    if (zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0) fail("endpoint");
    printf("%s\n", endpoint);
    fflush(stdout);
    for (;;) {
        zmq_msg_t identity, first, rest;
        zmq_msg_init(&identity);
        zmq_msg_init(&first);
        if (zmq_msg_recv(&identity, router, 0) < 0) fail("receive");
        if (zmq_msg_recv(&first, router, 0) < 0) fail("receive");
        uint32_t reply;
        memcpy(&reply, zmq_msg_data(&first), sizeof reply);
        int echo = reply == zmq_msg_size(&first);
        if (zmq_msg_send(&identity, router, ZMQ_SNDMORE) < 0) fail("send");
        int has_more = more(&first);
        if (echo) {
            if (zmq_msg_send(&first, router, has_more ? ZMQ_SNDMORE : 0) < 0) fail("send");
        } else {
            zmq_msg_close(&first);
        }
        while (has_more) {
            zmq_msg_init(&rest);
            if (zmq_msg_recv(&rest, router, 0) < 0) fail("receive");
            has_more = more(&rest);
            if (echo) {
                if (zmq_msg_send(&rest, router, has_more ? ZMQ_SNDMORE : 0) < 0) fail("send");
            } else {
                zmq_msg_close(&rest);
            }
        }
        if (!echo) {
            zmq_msg_t answer;
            zmq_msg_init_size(&answer, reply);
            memset(zmq_msg_data(&answer), 0, reply);
            if (zmq_msg_send(&answer, router, 0) < 0) fail("send");
        }
    }
}

static void send_request(void *dealer, char *payload, uint32_t bytes, uint32_t reply, int frames) {
    // The payload is in the last frame; those before it are small headers.
    for (int frame = 0; frame < frames; frame++) {
        zmq_msg_t message;
        int last = frame == frames - 1;
        uint32_t size = last ? bytes : 64;
        if (last && bytes >= 65536) {
            zmq_msg_init_data(&message, payload, bytes, keep, NULL);
        } else {
            zmq_msg_init_size(&message, size);
            memset(zmq_msg_data(&message), 0, size);
        }
        if (frame == 0) memcpy(zmq_msg_data(&message), &reply, sizeof reply);
        if (zmq_msg_send(&message, dealer, last ? 0 : ZMQ_SNDMORE) < 0) fail("send");
    }
}

static int by_value(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int call(void *context, char **arguments) {
    const char *endpoint = arguments[0];
    uint32_t bytes = atoi(arguments[1]), reply = atoi(arguments[2]);
    int window = atoi(arguments[3]), frames = atoi(arguments[5]);
    double seconds = atof(arguments[4]);
    if (window < 1 || window > WINDOW_MAX || frames < 1 || frames > FRAMES_MAX || bytes < 4) {
        fprintf(stderr, "pingpong: a number is out of range\n");
        return 2;
    }
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    tune(dealer);
    if (zmq_connect(dealer, endpoint) != 0) fail("connect");
    char *payload = calloc(1, bytes);
    memcpy(payload, &reply, sizeof reply);
    int64_t *sent = calloc(window, sizeof *sent);
    int32_t *samples = malloc(sizeof *samples * SAMPLES_MAX);
    int64_t start = now_ns(), warm = start + 200000000ll;
    int64_t end = warm + (int64_t)(seconds * 1e9), measured = 0, now = start;
    uint64_t head = 0, tail = 0, count = 0;
    while (now < end) {
        while (head - tail < (uint64_t)window) {
            sent[head++ % window] = now_ns();
            send_request(dealer, payload, bytes, reply, frames);
        }
        int has_more = 1;
        while (has_more) {
            zmq_msg_t message;
            zmq_msg_init(&message);
            if (zmq_msg_recv(&message, dealer, 0) < 0) fail("receive");
            has_more = more(&message);
            zmq_msg_close(&message);
        }
        now = now_ns();
        int64_t began = sent[tail++ % window];
        if (now >= warm) {
            if (measured == 0) measured = now;
            if (count < SAMPLES_MAX) samples[count] = (int32_t)((now - began) / 10);
            count++;
        }
    }
    uint64_t kept = count < SAMPLES_MAX ? count : SAMPLES_MAX;
    if (kept < 2) {
        fprintf(stderr, "pingpong: no answers\n");
        return 1;
    }
    qsort(samples, kept, sizeof *samples, by_value);
    printf("%.0f %.2f %.2f\n", (count - 1) / ((now - measured) / 1e9), samples[kept / 2] / 100.0,
           samples[kept * 99 / 100] / 100.0);
    return 0;
}

int main(int count, char **arguments) {
    void *context = zmq_ctx_new();
    if (count == 2 && strcmp(arguments[1], "serve") == 0) return serve(context);
    if (count == 8 && strcmp(arguments[1], "call") == 0) return call(context, arguments + 2);
    fprintf(stderr, "usage: pingpong serve | call ENDPOINT BYTES REPLY WINDOW SECONDS FRAMES\n");
    return 2;
}
