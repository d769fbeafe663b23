/* A plugin that does nothing: what counts is the name of its file. */
int plugin_answer(void);

int plugin_answer(void)
{
    return 42;
}
