// Beats at a broker as a fleet would, for `make bench`: CONNECTIONS workers, each on a TCP
// connection of its own, that beat as fast as the broker acknowledges, with at most WINDOW beats of
// each on their way. It speaks ZMTP 3.0 by hand, since a thousand libzmq sockets on the sending
// side would cost more than the broker that is to be measured.
//
//   heartbeats HOST:PORT CONNECTIONS WINDOW SECONDS
//
// Prints one line: acknowledged heartbeats per second. With a WINDOW of 0 each worker beats once a
// second instead, as real ones do, and the line says after how many milliseconds, counted from the
// first connection, each had its first beat acknowledged: all are READY. The messages are those of
// WireProtocol.md.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 56, BEAT_META = 29, BEAT_BODY = HEADER + 32, ACK_BODY = HEADER + 8, WINDOW_MAX = 64 };

struct worker {
    int socket;
    uint64_t sequence;  // of the last message sent
    uint64_t sent, acknowledged;
    int frame_left;     // bytes of the frame that is being skipped
    int header_got;     // bytes of a frame's header that have come
    uint8_t flags;
    uint8_t instance[16];
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t count) {
    memcpy(at, bytes, count);
    return at + count;
}

static uint8_t *put16(uint8_t *at, uint16_t value) { return put(at, &value, 2); }
static uint8_t *put32(uint8_t *at, uint32_t value) { return put(at, &value, 4); }
static uint8_t *put64(uint8_t *at, uint64_t value) { return put(at, &value, 8); }
static uint8_t *put_text(uint8_t *at, const char *text) {
    at = put16(at, strlen(text));
    return put(at, text, strlen(text));
}

static uint8_t *put_header(uint8_t *at, struct worker *worker, uint8_t type, uint32_t meta) {
    uint8_t start[8] = {'R', 'O', 'S', 'T', 1, type, 0, 0};
    at = put(at, start, 8);
    at = put64(at, ++worker->sequence);
    at = put64(at, 0);
    at = put64(at, 0);
    at = put(at, worker->instance, 16);
    at = put32(at, meta);
    return put32(at, 0);
}

static void send_all(int socket, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        ssize_t done = send(socket, bytes, count, MSG_NOSIGNAL);
        if (done < 0) fail("send");
        bytes += done;
        count -= done;
    }
}

static int receive_all(int socket, uint8_t *bytes, size_t count) {
    while (count > 0) {
        ssize_t done = recv(socket, bytes, count, 0);
        if (done <= 0) return 0;
        bytes += done;
        count -= done;
    }
    return 1;
}

// ZMTP 3.0: greeting, READY, both without security (RFC 23). A broker that is short of descriptors
// may close the connection meanwhile; then 0 is returned.
static int greet(int socket) {
    uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    static const uint8_t ready[] = "\x04\x26\x05READY\x0bSocket-Type\0\0\0\x06" "DEALER\x08Identity\0\0\0";
    uint8_t theirs[256];
    send_all(socket, greeting, sizeof greeting);
    if (!receive_all(socket, theirs, 64)) return 0;
    uint8_t command[sizeof ready];
    memcpy(command, ready, sizeof ready);
    command[1] = sizeof ready - 2;
    send_all(socket, command, sizeof ready);
    return receive_all(socket, theirs, 2) && receive_all(socket, theirs, theirs[1]);
}

static void connect_worker(struct worker *worker, struct sockaddr_in *address) {
    for (int attempt = 0; attempt < 100; attempt++) {
        worker->socket = socket(AF_INET, SOCK_STREAM, 0);
        if (worker->socket < 0) fail("socket");
        if (connect(worker->socket, (struct sockaddr *)address, sizeof *address) != 0) {
            fail("connect");
        }
        int one = 1;
        setsockopt(worker->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (greet(worker->socket)) return;
        close(worker->socket);
        usleep(50000);
    }
    fail("greet");
}

static void open_worker(struct worker *worker, struct sockaddr_in *address, int number) {
    connect_worker(worker, address);
    memset(worker->instance, 0x5a, 16);
    memcpy(worker->instance, &number, sizeof number);
    char name[32];
    snprintf(name, sizeof name, "generated-%d", number);
    uint8_t frame[512] = {0};
    uint8_t *body = frame + 2;
    uint8_t meta[256], *end = meta;
    end = put_text(end, name);
    end = put64(end, 1);                     // incarnation
    end = put(end, worker->instance, 16);
    end = put64(end, 1);                     // revision
    *end++ = 2;                              // ready
    end = put_text(end, "");                 // zone
    end = put32(end, 1);
    end = put32(end, 1);
    end = put16(end, 1);
    end = put_text(end, "tcp://127.0.0.1:1");
    end = put16(end, 0);                     // models
    uint8_t *rest = put_header(body, worker, 1, end - meta);
    put(rest, meta, end - meta);
    frame[1] = HEADER + ((end - meta + 7) & ~7);
    send_all(worker->socket, frame, 2 + frame[1]);
    if (fcntl(worker->socket, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
}

// Skips the frames that have come and counts the acknowledgements among them.
static void receive(struct worker *worker) {
    uint8_t buffer[16384];
    ssize_t count = recv(worker->socket, buffer, sizeof buffer, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
        fprintf(stderr, "heartbeats: the broker closed a connection\n");
        exit(1);
    }
    for (ssize_t at = 0; at < count;) {
        if (worker->frame_left > 0) {
            ssize_t skip = count - at < worker->frame_left ? count - at : worker->frame_left;
            worker->frame_left -= skip;
            at += skip;
        } else if (worker->header_got == 0) {
            worker->flags = buffer[at++];
            worker->header_got = 1;
        } else {
            worker->frame_left = buffer[at++];
            worker->header_got = 0;
            if (worker->flags == 0 && worker->frame_left == ACK_BODY) worker->acknowledged++;
        }
    }
}

static void beat(struct worker *worker, int window) {
    uint8_t frames[WINDOW_MAX * (BEAT_BODY + 2)];
    int count = window - (int)(worker->sent - worker->acknowledged);
    if (count <= 0) return;
    uint8_t *at = frames;
    memset(frames, 0, count * (BEAT_BODY + 2));
    for (int index = 0; index < count; index++) {
        uint8_t *start = at;
        start[1] = BEAT_BODY;
        at = put_header(start + 2, worker, 3, BEAT_META);
        at = put64(at, 1);  // revision
        *at = 2;            // ready
        at = start + 2 + BEAT_BODY;
    }
    ssize_t done = send(worker->socket, frames, at - frames, MSG_NOSIGNAL);
    // A window is far below the socket's buffer.
    if (done != at - frames) fail("send");
    worker->sent += count;
}

// Beats that are due once a second, those of all connections spread over it.
struct pace {
    int64_t start, next;
    int at, ready;
};

// Beats at those of the open connections that it is time for, and takes what has come.
static void beat_steadily(struct pace *pace, struct worker *workers, struct pollfd *polls, int open,
                          int connections, int wait) {
    for (; pace->next <= now_ns(); pace->next += 1000000000ll / connections) {
        // At most one is on its way: a broker that does not answer is not flooded.
        if (pace->at < open) beat(&workers[pace->at], 1);
        pace->at = (pace->at + 1) % connections;
    }
    if (poll(polls, open, 0) < 0 && errno != EINTR) fail("poll");
    for (int index = 0; index < open; index++) {
        if (!(polls[index].revents & (POLLIN | POLLHUP | POLLERR))) continue;
        uint64_t before = workers[index].acknowledged;
        receive(&workers[index]);
        if (before > 0 || workers[index].acknowledged == 0) continue;
        if (++pace->ready == connections) {
            printf("%.0f\n", (now_ns() - pace->start) / 1e6);
            fflush(stdout);
        }
    }
    // Looking at thousands of sockets all the time would take a core from the broker.
    usleep(wait);
}

int main(int count, char **arguments) {
    if (count != 5) {
        fprintf(stderr, "usage: heartbeats HOST:PORT CONNECTIONS WINDOW SECONDS\n");
        return 2;
    }
    char *colon = strrchr(arguments[1], ':');
    int connections = atoi(arguments[2]), window = atoi(arguments[3]);
    double seconds = atof(arguments[4]);
    if (colon == NULL || connections < 1 || window < 0 || window > WINDOW_MAX) {
        fprintf(stderr, "heartbeats: an argument is out of range\n");
        return 2;
    }
    *colon = 0;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(colon + 1))};
    inet_pton(AF_INET, arguments[1], &address.sin_addr);
    struct pace pace = {.start = now_ns(), .next = now_ns()};
    struct worker *workers = calloc(connections, sizeof *workers);
    struct pollfd *polls = calloc(connections, sizeof *polls);
    for (int index = 0; index < connections; index++) {
        open_worker(&workers[index], &address, index);
        polls[index] = (struct pollfd){.fd = workers[index].socket, .events = POLLIN};
        // The first are not silent until the last are there: the broker would give them up.
        if (window == 0 && index % 64 == 63) {
            beat_steadily(&pace, workers, polls, index + 1, connections, 0);
        }
    }
    if (window == 0) {
        while (now_ns() - pace.start < (int64_t)(seconds * 1e9)) {
            beat_steadily(&pace, workers, polls, connections, connections, 5000);
        }
        return pace.ready == connections ? 0 : 1;
    }
    int64_t warm = now_ns() + 500000000ll, end = warm + (int64_t)(seconds * 1e9), from = 0, now;
    uint64_t before = 0, after = 0;
    for (int index = 0; index < connections; index++) beat(&workers[index], window);
    while ((now = now_ns()) < end) {
        if (poll(polls, connections, 1000) < 0 && errno != EINTR) fail("poll");
        for (int index = 0; index < connections; index++) {
            if (!(polls[index].revents & (POLLIN | POLLHUP | POLLERR))) continue;
            receive(&workers[index]);
            beat(&workers[index], window);
        }
        if (from == 0 && now >= warm) {
            from = now;
            for (int index = 0; index < connections; index++) before += workers[index].acknowledged;
        }
    }
    for (int index = 0; index < connections; index++) after += workers[index].acknowledged;
    printf("%.0f\n", (after - before) / ((now - from) / 1e9));
    return 0;
}
