/* Recordings: threads that come and go, forks, full disks, rings, start and stop. */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../export/check.h"
#include "readback.h"

#define THREADS 8
#define CALLS 20000

static const struct marey_function *busy;

static void *
calls_of_a_thread(void *argument)
{
    int count = *(const int *)argument;

    for (int i = 0; i < count; i++) {
        record_enter(busy, 16);
        record_enter(busy, 32);
        record_leave(32);
        record_leave(16);
    }
    return NULL;
}

static void
run_threads(int thread_count, int call_count)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < thread_count; i++)
        pthread_create(&threads[i], NULL, calls_of_a_thread, &call_count);
    for (int i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
}

TEST(threads_side_by_side_lose_nothing)
{
    const char *path = readback_path();
    struct readback got;

    busy = readback_function("busy");
    readback_start(path, NULL);
    run_threads(THREADS, CALLS);
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.lanes, THREADS);
    CHECK_EQ(got.ends, (uint64_t)THREADS * CALLS * 2);
    CHECK_EQ(got.damaged, 0);
    unlink(path);
}

TEST(short_threads_share_their_slots)
{
    const char *path = readback_path();
    struct readback got;
    struct stat status;

    busy = readback_function("short");
    readback_start(path, NULL);
    for (int i = 0; i < 500; i++)
        run_threads(2, 10);
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.lanes, 1000);
    CHECK_EQ(got.ends, 1000 * 20);
    CHECK(stat(path, &status) == 0 && status.st_size < 1000 * 1024);
    unlink(path);
}

TEST(starting_and_stopping_leaves_nothing_behind)
{
    const char *path = readback_path();
    struct readback got;

    busy = readback_function("again");
    for (int i = 0; i < 100; i++) {
        unlink(path);
        readback_start(path, NULL);
        run_threads(3, 20);
        calls_of_a_thread(&(int){20});
        marey_recording_stop(0, true);
    }
    readback_count(path, &got);
    CHECK_EQ(got.lanes, 4);
    CHECK_EQ(got.ends, 4 * 40);
    unlink(path);
}

TEST(a_forked_child_is_a_process_with_the_stack_it_was_forked_with)
{
    const char *path = readback_path();
    struct readback got;

    busy = readback_function("forking");
    readback_start(path, NULL);
    record_enter(busy, 16);
    pid_t child = fork();
    if (child == 0) {
        calls_of_a_thread(&(int){1000});
        record_leave(16);
        marey_recording_stop(0, true);
        _exit(0);
    }
    calls_of_a_thread(&(int){1000});
    waitpid(child, NULL, 0);
    record_leave(16);
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.processes, 2);
    CHECK_EQ(got.ends, 4002);
    CHECK_EQ(got.opens, 0);
    CHECK_EQ(got.damaged, 0);
    unlink(path);
}

TEST(a_child_that_does_nothing_is_no_process_of_the_trace)
{
    const char *path = readback_path();
    struct readback got;

    busy = readback_function("idle child");
    readback_start(path, NULL);
    record_enter(busy, 16);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    record_leave(16);
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.processes, 1);
    unlink(path);
}

TEST(a_killed_process_leaves_its_open_calls_open)
{
    const char *path = readback_path();
    struct readback got;

    busy = readback_function("killed");
    pid_t child = fork();
    if (child == 0) {
        readback_start(path, NULL);
        record_enter(busy, 48);
        calls_of_a_thread(&(int){CALLS});
        kill(getpid(), SIGKILL);
    }
    waitpid(child, NULL, 0);
    readback_count(path, &got);
    CHECK_EQ(got.ends, CALLS * 2);
    CHECK_EQ(got.opens, 1);
    CHECK_EQ(got.damaged, 0);
    unlink(path);
}

TEST(a_ring_keeps_the_newest_and_counts_what_it_lost)
{
    const char *path = readback_path();
    struct marey_recording_options options = {.file.ring_bytes = 1 << 20};
    struct readback got;
    struct stat status;

    busy = readback_function("ring");
    readback_start(path, &options);
    calls_of_a_thread(&(int){600000});
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK(got.gaps >= 1);
    CHECK_EQ(got.lost + got.ends + got.begins, 2400000);
    CHECK(stat(path, &status) == 0 && status.st_size < 2 << 20);
    unlink(path);
}

static void
run_one_after_another(int thread_count)
{
    pthread_t thread;

    for (int i = 0; i < thread_count; i++) {
        pthread_create(&thread, NULL, calls_of_a_thread, &(int){100});
        pthread_join(thread, NULL);
    }
}

TEST(a_ring_does_not_grow_with_the_threads_that_lived)
{
    const char *path = readback_path();
    struct marey_recording_options options = {.file.ring_bytes = 1 << 20};
    struct readback got;
    struct stat early, late;

    busy = readback_function("many");
    readback_start(path, &options);
    run_one_after_another(200);
    CHECK_EQ(stat(path, &early), 0);
    run_one_after_another(3000);
    CHECK_EQ(stat(path, &late), 0);
    CHECK_EQ(late.st_size, early.st_size);
    marey_recording_stop(0, true);
    CHECK_EQ(readback_findings(path), 0);
    readback_count(path, &got);
    CHECK(got.ends >= 1500); /* of some 16 threads, a cell each */
    CHECK(got.lanes >= 16 && got.lanes <= 60);
    unlink(path);
}

TEST(the_threads_of_a_ring_are_known_whenever_it_is_killed)
{
    const char *path = readback_path();
    struct marey_recording_options options = {.file.ring_bytes = 1 << 20};
    int pipe_ends[2];
    char ready;

    busy = readback_function("killed");
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(pipe(pipe_ends), 0);
        pid_t child = fork();
        if (child == 0) {
            readback_start(path, &options);
            run_one_after_another(100);
            if (write(pipe_ends[1], "", 1) == 1)
                run_one_after_another(1000000);
            _exit(1);
        }
        CHECK_EQ(read(pipe_ends[0], &ready, 1), 1);
        usleep((useconds_t)(i * 97 % 1000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        CHECK_EQ(readback_findings(path), 0);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        unlink(path);
    }
}

TEST(a_full_disk_costs_events_and_says_how_many)
{
    const char *path = readback_path();
    struct readback got;

    busy = readback_function("full");
    pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        readback_start(path, NULL);
        calls_of_a_thread(&(int){1000});
        struct rlimit limit = {1 << 20, 1 << 20};
        setrlimit(RLIMIT_FSIZE, &limit);
        calls_of_a_thread(&(int){500000});
        marey_recording_stop(0, true);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    readback_count(path, &got);
    CHECK(got.ends > 100000);
    CHECK(got.lost > 100000);
    unlink(path);
}

TEST(without_a_mapping_a_recording_is_whole_at_its_end)
{
    const char *path = readback_path();
    struct marey_recording_options options = {.file.no_mapping = true};
    struct readback got;

    busy = readback_function("unmapped");
    readback_start(path, &options);
    run_threads(4, 5000);
    calls_of_a_thread(&(int){5000});
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.ends, 5 * 5000 * 2);
    CHECK_EQ(got.damaged, 0);
    unlink(path);
}

TEST(a_program_that_closes_our_descriptor_loses_nothing)
{
    const char *path = readback_path();
    struct readback got;

    busy = readback_function("closed");
    pid_t child = fork();
    if (child == 0) {
        readback_start(path, NULL);
        calls_of_a_thread(&(int){CALLS});
        for (int fd = 3; fd < 2000; fd++)
            close(fd);
        calls_of_a_thread(&(int){CALLS});
        marey_recording_stop(0, true);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    readback_count(path, &got);
    CHECK_EQ(got.ends, CALLS * 4);
    CHECK_EQ(got.lost, 0);
    unlink(path);
}

TEST(texts_that_no_slot_holds_stand_in_order)
{
    const char *path = readback_path();
    static char text[65536];

    pid_t child = fork(); /* the texts are defined in all recordings that follow */
    if (child == 0) {
        readback_start(path, NULL);
        for (int i = 0; i < 20; i++) {
            memset(text, 'a' + i, sizeof(text));
            marey_define_string("short", 5);
            marey_define_string(text, sizeof(text));
        }
        record_enter(readback_function("after"), 0x1000);
        record_leave(0x1000);
        marey_recording_stop(0, true);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    CHECK_EQ(readback_findings(path), 0);
    unlink(path);
}
